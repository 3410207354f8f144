import { pause } from "../../sampling.ts";
import { LineProbe } from "../contenders/line-probe.ts";
import { HostProcess } from "../process/host-process.ts";
import type { TransferOutcome } from "../process/lab-stream.ts";
import { LabNetwork } from "./lab-network.ts";
import type { EmulatorReport } from "./link-emulator.ts";

const PORT = 5201;
const ROUND_TRIP_MS = 20;
const PROBE_MS = 2_000;
const TIMEOUT_MS = 30_000;

/** What the link emulator can do on this machine, measured with TCP through it. */
export interface Calibration {
  /** Round trip of an idle line of 20 ms, in milliseconds. */
  readonly idleUsualMs: number;
  readonly idleWorstMs: number;
  /** Without a shaper. */
  readonly greatestMegabitsPerSecond: number;
  readonly greatestPacketsPerSecond: number;
  /** Rate that TCP reached on a line of 400 Mbit/s, the fastest of the laboratory. */
  readonly at400MegabitsPerSecond: number;
  /** How late packets left there, beyond their delay, in microseconds; and the processor's share. */
  readonly lateP50Us: number;
  readonly lateP99Us: number;
  readonly cpuShare: number;
}

/** Measures the emulator before it is trusted. Takes about ten seconds. */
export async function calibrate(emulator: string, onNetwork: (networks: readonly LabNetwork[]) => void): Promise<Calibration> {
  const limited = await through(emulator, 400, 100e6, onNetwork);
  const free = await through(emulator, 10_000, 250e6, onNetwork);
  const { forward, backward } = limited.report;
  return {
    idleUsualMs: limited.idleUsualMs,
    idleWorstMs: limited.idleWorstMs,
    greatestMegabitsPerSecond: free.megabitsPerSecond,
    greatestPacketsPerSecond: (free.report.forward.packets + free.report.backward.packets) / free.seconds,
    at400MegabitsPerSecond: limited.megabitsPerSecond,
    lateP50Us: Math.max(forward.lateP50Us, backward.lateP50Us),
    lateP99Us: Math.max(forward.lateP99Us, backward.lateP99Us),
    cpuShare: limited.report.cpuSeconds / limited.seconds,
  };
}

/** The calibration as sentences. */
export function sentencesOf(one: Calibration): string[] {
  return [
    `An idle line of ${ROUND_TRIP_MS} ms: usually ${one.idleUsualMs.toFixed(2)} ms, at worst ${one.idleWorstMs.toFixed(2)} ms.`,
    `On a line of 400 Mbit/s TCP reached ${one.at400MegabitsPerSecond.toFixed(0)} Mbit/s; a packet left ${one.lateP50Us.toFixed(0)} µs late in the middle, ` +
      `${one.lateP99Us.toFixed(0)} µs in the slowest hundredth; the emulator took ${(one.cpuShare * 100).toFixed(0)} % of a processor.`,
    `Without a shaper it passed ${one.greatestMegabitsPerSecond.toFixed(0)} Mbit/s, ${Math.round(one.greatestPacketsPerSecond / 1000)},000 packets per second in both directions.`,
  ];
}

async function through(
  emulator: string,
  megabitsPerSecond: number,
  bytes: number,
  onNetwork: (networks: readonly LabNetwork[]) => void,
): Promise<{
  readonly idleUsualMs: number;
  readonly idleWorstMs: number;
  readonly megabitsPerSecond: number;
  readonly seconds: number;
  readonly report: EmulatorReport;
}> {
  const network = await LabNetwork.make("home", [{ megabitsPerSecond, roundTripMs: ROUND_TRIP_MS }], emulator);
  onNetwork([network]);
  try {
    const probe = new LineProbe(network, [network.serverAddress(0)]);
    await pause(PROBE_MS);
    const [idle] = await probe.stop();
    using _server = await HostProcess.start(network, 0, "tcp-server", { port: PORT });
    using client = await HostProcess.start(network, "client", "tcp-client", { host: network.serverAddress(0), port: PORT });
    const outcome = await client.ask<TransferOutcome>("transfer", { direction: "down", bytes }, TIMEOUT_MS);
    const seconds = (outcome.endedAt - outcome.startedAt) / 1000;
    const [report] = await network.remove();
    if (report === undefined) throw new Error("the link emulator did not say what it did");
    return {
      idleUsualMs: idle?.usualMs ?? 0,
      idleWorstMs: idle?.worstMs ?? 0,
      megabitsPerSecond: (bytes * 8) / 1e6 / seconds,
      seconds,
      report,
    };
  } finally {
    await network.remove();
    onNetwork([]);
  }
}
