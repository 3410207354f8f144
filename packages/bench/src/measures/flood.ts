import type { ListenerStats } from "kwik";
import type { AttackKind } from "../flood/attack.ts";
import type { Measurement } from "../measurement.ts";
import { BenchProcess } from "../process/bench-process.ts";
import { median, pause } from "../sampling.ts";

interface FloodCase {
  readonly transport: "quic" | "tcp";
  readonly kind: AttackKind;
  readonly perSecond: number;
  readonly note: string;
}

/** More of each than the limits take; with a processor for the server, and another for everybody else. */
const CASES: readonly FloodCase[] = [
  { transport: "tcp", kind: "tls-handshakes", perSecond: 1_000, note: "1,000 TLS handshakes/s" },
  { transport: "tcp", kind: "tcp-garbage", perSecond: 1_000, note: "1,000 connections/s with garbage" },
  { transport: "tcp", kind: "slow-clients", perSecond: 500, note: "500 slow connections/s" },
  { transport: "quic", kind: "quic-handshakes", perSecond: 1_000, note: "QUIC handshakes, four clients without pause" },
  { transport: "quic", kind: "udp-garbage", perSecond: 1_000, note: "20,000 datagrams/s of garbage" },
];

/** Once more with nothing bound to a processor: what one machine with two of them sees. */
const UNPINNED: FloodCase = { transport: "quic", kind: "quic-handshakes", perSecond: 1_000, note: "QUIC handshakes" };

const ROUNDS = 3;
const FLOW_MS = 2_000;
/** From the first blow until it is measured, in milliseconds: what may come at once after a quiet time has come by then. */
const LEAD_MS = 3_000;
/** Until what the attack left behind is over, in milliseconds. */
const REST_MS = 1_500;

/** The server's, and that of everybody else. */
const SERVER_PROCESSOR = 0;
const OTHER_PROCESSOR = 1;

/** What one flow came to. */
interface Flow {
  readonly megabytesPerSecond: number;
  /** Of a processor. */
  readonly server: number;
  readonly attacker: number;
}

/** Three rounds of one case. */
interface Rounds {
  readonly alone: readonly Flow[];
  readonly attacked: readonly Flow[];
  /** Beside a process that took as much of the processors as the attacker did just before, and sent nothing. */
  readonly idled: readonly Flow[];
  /** Connections and datagrams of the attacker in a second. */
  readonly blowsPerSecond: number;
  /** What the listener refused, in words. */
  readonly refused: string;
}

/**
 * What a session that a listener has keeps of its throughput while the listener is attacked, with all limits at their defaults. The server has a processor for itself, as it would
 * on a machine of its own; the attacker and the client of the session share the other. So normal is what the session has beside a process that takes as much of that processor as
 * the attacker does, and attacks nobody; what it has alone is in the note. The client is what limits that flow, so the server may have time to spare: the second number says how much
 * of its processor the attack takes, which is what a busier server would miss.
 *
 * The QUIC handshakes come once more with nothing bound to a processor, against what the session has alone. Its control is the session beside the process that attacks nobody: what
 * is missing there is missing because two processors are shared, whatever the others do with their part.
 */
export async function flood(): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const one of CASES) measurements.push(...withProcessorForServer(one, await roundsOf(one, { isPinned: true })));
  measurements.push(...withNothingPinned(UNPINNED, await roundsOf(UNPINNED, { isPinned: false })));
  return measurements;
}

async function roundsOf({ transport, kind, perSecond }: FloodCase, { isPinned }: { isPinned: boolean }): Promise<Rounds> {
  using server = await BenchProcess.start("kwik-server", { transport });
  const url = String(server.ready);
  using client = await BenchProcess.start("kwik-client", { url });
  using attacker = await BenchProcess.start("flood-client", { port: Number(url.slice(url.lastIndexOf(":") + 1)) });
  if (isPinned) {
    server.pinTo(SERVER_PROCESSOR);
    for (const other of [client, attacker]) other.pinTo(OTHER_PROCESSOR);
  }
  const flow = async (): Promise<Flow> => {
    const before = await Promise.all([server.ask<number>("cpu"), attacker.ask<number>("cpu")]);
    const bytes = await client.ask<number>("flow", { ms: FLOW_MS });
    const after = await Promise.all([server.ask<number>("cpu"), attacker.ask<number>("cpu")]);
    const seconds = FLOW_MS / 1000;
    return {
      megabytesPerSecond: bytes / 1e6 / seconds,
      server: (after[0] - before[0]) / seconds,
      attacker: (after[1] - before[1]) / seconds,
    };
  };
  await flow();
  const alone: Flow[] = [];
  const attacked: Flow[] = [];
  const idled: Flow[] = [];
  let blows = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    alone.push(await flow());
    await attacker.ask("begin", { kind, perSecond });
    await pause(LEAD_MS);
    const under = await flow();
    attacked.push(under);
    blows += await attacker.ask<number>("end");
    await pause(REST_MS);
    await attacker.ask("idle", { share: under.attacker });
    idled.push(await flow());
    await attacker.ask("end");
  }
  const { refusals } = await server.ask<ListenerStats>("stats");
  const told = Object.entries(refusals).map(([reason, count]) => `${reason} ${count}`);
  const blowsPerSecond = blows / ((ROUNDS * (LEAD_MS + FLOW_MS)) / 1000);
  return { alone, attacked, idled, blowsPerSecond, refused: told.join(", ") || "none" };
}

function withProcessorForServer(
  { transport, note }: FloodCase,
  { alone, attacked, idled, blowsPerSecond, refused }: Rounds,
): Measurement[] {
  const value = middle(attacked, "megabytesPerSecond");
  const raw = middle(idled, "megabytesPerSecond");
  const taken = takenOfServer(attacked, idled);
  return [
    {
      name: `flood, ${transport}: ${note}`,
      value,
      unit: "MB/s",
      raw,
      ratio: value / raw,
      bar: { kind: "at least", limit: 0.7 },
      note:
        `alone ${Math.round(middle(alone, "megabytesPerSecond"))} MB/s; ${Math.round(blowsPerSecond)}/s came; processors of server and attacker: ` +
        `${processors(attacked)}, normally ${processors(idled)}; refused: ${refused}`,
    },
    {
      name: `flood, ${transport}: what a server without an idle moment would keep`,
      value: 1 - taken,
      unit: "of its processor",
      bar: { kind: "at least", limit: 0.7 },
      note: `the attack takes ${taken.toFixed(2)} of the server's processor beyond what its sessions do`,
    },
  ];
}

function withNothingPinned({ transport, note }: FloodCase, { alone, attacked, idled, blowsPerSecond, refused }: Rounds): Measurement[] {
  const raw = middle(alone, "megabytesPerSecond");
  const value = middle(attacked, "megabytesPerSecond");
  const beside = middle(idled, "megabytesPerSecond");
  return [
    {
      name: `flood, ${transport}, nothing pinned: ${note}, against the session alone`,
      value,
      unit: "MB/s",
      raw,
      ratio: value / raw,
      bar: { kind: "at least", limit: 0.7 },
      note: `${Math.round(blowsPerSecond)}/s came; processors of server and attacker: ${processors(attacked)}, alone ${processors(alone)}; refused: ${refused}`,
    },
    {
      name: `flood, ${transport}, nothing pinned: beside as much processor time that sends nothing, against the session alone`,
      value: beside,
      unit: "MB/s",
      raw,
      ratio: beside / raw,
      note: `processors of server and the others: ${processors(idled)}; under attack it keeps ${(value / beside).toFixed(2)} of this, and the attack takes ${takenOfServer(attacked, idled).toFixed(2)} of a processor from the server`,
    },
  ];
}

/** Of a processor: what the server takes under attack, less what the flow of the attacked rounds costs it without the attack. */
function takenOfServer(attacked: readonly Flow[], idled: readonly Flow[]): number {
  const share = middle(attacked, "megabytesPerSecond") / middle(idled, "megabytesPerSecond");
  return Math.max(0, middle(attacked, "server") - middle(idled, "server") * share);
}

function middle(flows: readonly Flow[], what: keyof Flow): number {
  return median(flows.map((one) => one[what]));
}

function processors(flows: readonly Flow[]): string {
  return `${middle(flows, "server").toFixed(2)} and ${middle(flows, "attacker").toFixed(2)}`;
}
