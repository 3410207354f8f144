import { pause } from "../../sampling.ts";
import type { LabNetwork } from "../network/lab-network.ts";
import type { Line } from "../network/line.ts";
import type { Arrivals } from "../process/arrival-log.ts";
import type { HostProcess } from "../process/host-process.ts";
import type { SessionReport } from "../process/lab-role.ts";
import type { TransferOutcome } from "../process/lab-stream.ts";
import type { CounterSample } from "../roles/counter.ts";
import { FaultClock } from "./fault-clock.ts";
import type { LabBench, RunOrder } from "./lab-bench.ts";
import { LineProbe } from "./line-probe.ts";
import { idleLines, lineUse, recoveryMs } from "./line-use.ts";
import { rateOf, type RunRecord } from "./run-record.ts";

const LEAST_TIMEOUT_MS = 10_000;
const MOST_TIMEOUT_MS = 60_000;
/** A contender that is slower than this has lost anyway. */
const SLOWEST_OF_IDEAL = 6;

/** The processes of one run, ready to transfer. */
export interface RunParts {
  readonly network: LabNetwork;
  readonly client: HostProcess;
  readonly servers: readonly HostProcess[];
  /** Lines that should carry data. */
  readonly lines: readonly number[];
  readonly bytes: number;
  /** Whether both ends are to be asked what kwik says about the session. */
  readonly isKwik?: boolean;
  /** Called when the transfer is over: what else makes the run doubtful. */
  readonly inspect?: () => readonly string[];
}

/** How long a transfer may take, in milliseconds. */
export function timeoutMsOf(bytes: number, lines: readonly Line[]): number {
  const rate = lines.reduce((sum, line) => sum + line.megabitsPerSecond, 0);
  return Math.min(MOST_TIMEOUT_MS, LEAST_TIMEOUT_MS + (bytes * 8 * SLOWEST_OF_IDEAL) / (rate * 1000));
}

/** Runs one transfer between Node processes, with the cell's fault, and writes down everything about it. */
export async function measuredRun(bench: LabBench, order: RunOrder, parts: RunParts): Promise<RunRecord> {
  const { network, client, servers, lines, bytes } = parts;
  const { direction, cell } = order;
  const counter = await bench.counter(network);
  const all = [client, ...servers];
  const cpuBefore = await cpuOf(all);
  const probe = new LineProbe(
    network,
    network.topology === "shared" ? [network.serverAddress(0)] : lines.map((line) => network.serverAddress(line)),
  );
  const faults = new FaultClock(network, cell.fault, (server) => servers[server]?.kill());
  const besideBefore = await bytesBeside(bench);
  await counter.ask("samples");
  faults.start();
  const used = network.lines.filter((_, index) => lines.includes(index));
  let outcome: TransferOutcome | undefined;
  let failure: string | undefined;
  try {
    outcome = await client.ask<TransferOutcome>("transfer", { direction, bytes }, timeoutMsOf(bytes, used));
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  const besideBytes = (await bytesBeside(bench)) - besideBefore;
  const samples = await counter.ask<CounterSample[]>("samples");
  faults.stop();
  const probed = await probe.stop();
  const cpuAfter = await cpuOf(all);
  // One that was killed says nothing any more.
  const cpuSeconds = cpuAfter.reduce((sum, seconds, index) => sum + Math.max(0, seconds - (cpuBefore[index] ?? 0)), 0);
  const receiver = direction === "down" ? client : servers[0];
  const arrivals = outcome?.arrivals ?? (await receiver?.ask<Arrivals | undefined>("arrivals").catch(() => undefined));
  const reports = parts.isKwik === true ? await Promise.all(all.slice(0, 2).map(sessionOf)) : [];
  if (failure === undefined && (arrivals?.wrongBytes ?? 0) > 0) failure = `${arrivals?.wrongBytes ?? 0} bytes were wrong`;
  const use = lineUse(samples, direction);
  const startedAt = outcome?.startedAt ?? samples[0]?.atMs ?? 0;
  const seconds = outcome === undefined ? 0 : (outcome.endedAt - startedAt) / 1000;
  const hasArrivals = arrivals !== undefined && arrivals.bytes > 0;
  const repairedLine = cell.fault !== undefined && cell.fault.kind !== "kill" ? cell.fault.line : undefined;
  const ready = client.ready as { readonly connectMs?: number } | undefined;
  const idle = idleLines(
    used,
    lines.map((line) => use.bytes[line] ?? 0),
  );
  return {
    cell: cell.name,
    contender: order.contender,
    direction,
    repeat: order.repeat,
    bytes: arrivals?.bytes ?? 0,
    seconds,
    megabitsPerSecond: failure === undefined ? rateOf(bytes, seconds) : 0,
    connectMs: ready?.connectMs,
    firstByteMs: hasArrivals ? arrivals.firstAt - startedAt : undefined,
    longestGapMs: hasArrivals ? arrivals.longestGapMs : undefined,
    gapAtMs: hasArrivals && arrivals.gapAt > 0 ? arrivals.gapAt - startedAt : undefined,
    lastTwentiethMs: hasArrivals && arrivals.lastTwentiethAt > 0 ? arrivals.lastAt - arrivals.lastTwentiethAt : undefined,
    lineBytes: use.bytes,
    duplicateBytes: parts.isKwik === true ? reports.reduce((sum, report) => sum + (report?.duplicateBytes ?? 0), 0) : undefined,
    worstRoundTripMs: probed.map((one) => one.worstMs),
    usualRoundTripMs: probed.map((one) => one.usualMs),
    cpuSeconds,
    recoveredMs:
      faults.repairedAt === undefined || repairedLine === undefined || cell.fault?.lastsMs === undefined
        ? undefined
        : recoveryMs(samples, direction, repairedLine, network.lines[repairedLine] as Line, faults.repairedAt),
    besideMegabitsPerSecond: bench.beside === undefined ? undefined : rateOf(besideBytes, seconds),
    flags: [...(cell.fault === undefined && failure === undefined ? idle : []), ...(parts.inspect?.() ?? [])],
    failure,
    events: reports.flatMap((report, index) => eventsOf(index === 0 ? "client" : "server", report)),
  };
}

/** Lets what a killed process left in the queues run out, so that the next run begins on quiet lines. */
export async function settle(): Promise<void> {
  await pause(150);
}

function cpuOf(processes: readonly HostProcess[]): Promise<number[]> {
  return Promise.all(processes.map((one) => one.cpuSeconds()));
}

async function bytesBeside(bench: LabBench): Promise<number> {
  if (bench.beside === undefined) return 0;
  return (await bench.beside.ask<Arrivals | undefined>("arrivals"))?.bytes ?? 0;
}

async function sessionOf(one: HostProcess): Promise<SessionReport | undefined> {
  return one.ask<SessionReport | undefined>("session").catch(() => undefined);
}

function eventsOf(end: string, report: SessionReport | undefined): string[] {
  if (report === undefined) return [];
  const paths = report.paths.map(
    (path) =>
      `${end} path ${path.address} ${path.state} in ${path.bytesReceived} out ${path.bytesSent} again ${path.bytesResent} rtt ${path.rttMs?.toFixed(1) ?? "?"}`,
  );
  return [...report.events.map((event) => `${end} ${event}`), ...paths];
}
