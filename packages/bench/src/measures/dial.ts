import type { TransportName } from "kwik";
import type { LabNetwork } from "../lab/network/lab-network.ts";
import { withLines } from "../lab/network/with-lines.ts";
import { HostProcess } from "../lab/process/host-process.ts";
import type { KwikServerReady } from "../lab/process/lab-role.ts";
import type { TimedDial } from "../lab/roles/dial-ends.ts";
import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";

/** Fast enough that a handshake's bytes take no time. */
const LINE = { megabitsPerSecond: 100, roundTripMs: 50 };
const WARM_UP_ROUNDS = 3;
const ROUNDS = 9;

interface DialCase {
  readonly transport: TransportName;
  /** Whether the server makes clients prove their address first, as it does by default over UDP. */
  readonly isValidated?: boolean;
  readonly early: boolean;
  /** Round trips of the transport's own handshake, one for the request and its answer, and a tenth. */
  readonly mostRoundTrips?: number;
}

const CASES: readonly DialCase[] = [
  { transport: "quic", early: true, mostRoundTrips: 2.1 },
  { transport: "quic", early: false },
  { transport: "quic", early: true, isValidated: true },
  { transport: "tcp", early: true, mostRoundTrips: 3.1 },
  { transport: "tcp", early: false },
];

/** From the beginning of a dial to the first byte of an answer, over an emulated line of 50 ms, in round trips of that line. */
export function dial(): Promise<Measurement[]> {
  return withLines({ name: "dial", topology: "home", lines: [LINE] }, measured);
}

async function measured(network: LabNetwork): Promise<Measurement[]> {
  const host = network.serverAddress(0);
  const lineMs = roundTripMs(network, host);
  using server = await HostProcess.start(network, 0, "dial-server", { validateAddresses: false });
  using validating = await HostProcess.start(network, 0, "dial-server", { validateAddresses: true });
  using client = await HostProcess.start(network, "client", "dial-client");
  const addressOf = (one: HostProcess): string => `${host}:${(one.ready as KwikServerReady).port}`;
  const times = CASES.map((): number[] => []);
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    for (const [index, { transport, early, isValidated }] of CASES.entries()) {
      const order: TimedDial = { address: addressOf(isValidated === true ? validating : server), transport, early };
      const took = await client.ask<number>("dial", order);
      if (round >= WARM_UP_ROUNDS) times[index]?.push(took);
    }
  }
  return CASES.map(({ transport, early, isValidated, mostRoundTrips }, index) => {
    const tookMs = median(times[index] ?? []);
    return {
      name: `dial: first byte of an answer, ${transport}${early ? ", early" : ""}${isValidated === true ? ", address validated" : ""}`,
      value: tookMs / lineMs,
      unit: "round trips",
      ...(mostRoundTrips === undefined ? {} : { bar: { kind: "at most", limit: mostRoundTrips } as const }),
      note: `${tookMs.toFixed(1)} ms; the line alone ${lineMs.toFixed(2)} ms`,
    };
  });
}

/** The usual round trip of the idle line, as ping measures it. */
function roundTripMs(network: LabNetwork, host: string): number {
  const said = network.run("client", "ping", "-n", "-c", "11", "-i", "0.2", host);
  const times = [...said.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]));
  if (times.length === 0) throw new Error("ping had no answer over the emulated line");
  return median(times);
}
