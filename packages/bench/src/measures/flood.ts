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

/** More of each than the limits take. */
const CASES: readonly FloodCase[] = [
  { transport: "tcp", kind: "tls-handshakes", perSecond: 1_000, note: "1,000 TLS handshakes/s" },
  { transport: "tcp", kind: "tcp-garbage", perSecond: 1_000, note: "1,000 connections/s with garbage" },
  { transport: "tcp", kind: "slow-clients", perSecond: 500, note: "500 slow connections/s" },
  { transport: "quic", kind: "quic-handshakes", perSecond: 1_000, note: "QUIC handshakes, four clients without pause" },
  { transport: "quic", kind: "udp-garbage", perSecond: 1_000, note: "20,000 datagrams/s of garbage" },
];

const ROUNDS = 3;
const FLOW_MS = 3_000;
/** From the first blow until it is measured, in milliseconds: what may come at once after a quiet time has come by then. */
const LEAD_MS = 3_000;
/** Until what the attack left behind is over, in milliseconds. */
const REST_MS = 1_500;

/**
 * What a session that a listener has keeps of its throughput while the listener is attacked, with all limits at their defaults. The attacker is on the same
 * machine, so normal is what the session has beside a process that takes as much of the processors as the attacker does, and attacks nobody.
 */
export async function flood(): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const one of CASES) measurements.push(await underAttack(one));
  return measurements;
}

async function underAttack({ transport, kind, perSecond, note }: FloodCase): Promise<Measurement> {
  using server = await BenchProcess.start("kwik-server", { transport });
  const url = String(server.ready);
  using client = await BenchProcess.start("kwik-client", { url });
  using attacker = await BenchProcess.start("flood-client", { port: Number(url.slice(url.lastIndexOf(":") + 1)) });
  const flow = async (): Promise<number> => (await client.ask<number>("flow", { ms: FLOW_MS })) / 1e6 / (FLOW_MS / 1000);
  await flow();
  const alone: number[] = [];
  const attacked: number[] = [];
  const normal: number[] = [];
  const shares: number[] = [];
  let blows = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    alone.push(await flow());
    await attacker.ask("begin", { kind, perSecond });
    await pause(LEAD_MS);
    const before = await attacker.ask<number>("cpu");
    attacked.push(await flow());
    const share = ((await attacker.ask<number>("cpu")) - before) / (FLOW_MS / 1000);
    shares.push(share);
    blows += await attacker.ask<number>("end");
    await pause(REST_MS);
    await attacker.ask("idle", { share });
    normal.push(await flow());
    await attacker.ask("end");
  }
  const { refusals } = await server.ask<ListenerStats>("stats");
  const told = Object.entries(refusals).map(([reason, count]) => `${reason} ${count}`);
  const perSecondSeen = blows / ((ROUNDS * (LEAD_MS + FLOW_MS)) / 1000);
  const value = median(attacked);
  const raw = median(normal);
  return {
    name: `flood, ${transport}: ${note}`,
    value,
    unit: "MB/s",
    raw,
    ratio: value / raw,
    bar: { kind: "at least", limit: 0.7 },
    note:
      `alone ${Math.round(median(alone))} MB/s; ${Math.round(perSecondSeen)}/s came, with ${median(shares).toFixed(2)} of a processor; ` +
      `refused: ${told.join(", ") || "none"}`,
  };
}
