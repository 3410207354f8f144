import { threadCount } from "./world/leftovers.ts";
import type { ChaosResult, Progress } from "./run-chaos.ts";

const MIB = 1024 * 1024;

/** One line while it runs. */
export function progressLine({ seconds, tally, faults, violations }: Progress): string {
  const bytes = (tally.of("bytes up") + tally.of("bytes down")) / 1e6;
  return [
    `${seconds.toFixed(0).padStart(5)} s`,
    `${faults} faults`,
    `${tally.of("sessions dialled")} sessions`,
    `${tally.of("stream ended: whole")} of ${tally.of("streams opened")} streams whole`,
    `${bytes.toFixed(0)} MB checked`,
    `${violations} broken`,
  ].join(", ");
}

/** All that is to be known in the end, for people. */
export function summaryOf(result: ChaosResult): string {
  const { plan, tally, growths, violations } = result;
  const lines = [
    `chaos: seed ${plan.seed}, ${result.seconds.toFixed(0)} s, ${violations.length === 0 ? "every invariant held" : `${violations.length} invariants broken`}`,
    `lines      ${plan.lines.map((line) => `${line.megabitsPerSecond} Mbit/s ${line.roundTripMs ?? 0} ms`).join(", ")}`,
    `faults     ${listOf(Object.entries(result.faults))}`,
    `streams    ${tally.of("streams opened")} opened; ${listOf(tally.group("stream ended: "))}`,
    `served     ${listOf(tally.group("served: "))}`,
    `pushes     ${listOf(tally.group("push: "))}`,
    `contents   ${listOf(tally.group("content: "))}`,
    `bytes      ${megabytes(tally.of("bytes up"))} up, ${megabytes(tally.of("bytes down"))} down, each checked`,
    `datagrams  ${listOf(tally.group("datagrams: "))}`,
    `raw        ${listOf(tally.group("raw: "))}`,
    `dials      ${tally.of("sessions dialled")} sessions; failed: ${listOf(tally.group("dial failed: "))}; not ready: ${listOf(tally.group("session not ready: "))}`,
    `sessions   clients: ${listOf(tally.group("session ended: "))}; servers: ${listOf(tally.group("server session ended: "))}`,
    `events     ${listOf(tally.group("event: "))}`,
    "",
    "process    heap before, after   resident before, after   threads   files",
    ...growths.map(({ name, before, after }) =>
      [
        name.padEnd(11),
        `${mebibytes(before.heapBytes)} ${mebibytes(after.heapBytes)} MiB`.padEnd(21),
        `${mebibytes(before.residentBytes)} ${mebibytes(after.residentBytes)} MiB`.padEnd(25),
        `${threadCount(before)} ${threadCount(after)}`.padEnd(10),
        `${before.files} ${after.files}`,
      ].join(""),
    ),
    ...violations.map((text) => `BROKEN: ${text}`),
  ];
  return lines.join("\n");
}

/** The same for a machine. */
export function jsonOf({ plan, faults, tally, growths, violations, seconds }: ChaosResult): object {
  return {
    seed: plan.seed,
    seconds,
    plannedSeconds: plan.seconds,
    lines: plan.lines,
    faults,
    counts: Object.fromEntries(tally.group("")),
    growths,
    violations,
  };
}

function listOf(counts: readonly (readonly [string, number])[]): string {
  return counts.length === 0 ? "none" : counts.map(([name, count]) => `${name} ${count}`).join(", ");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function mebibytes(bytes: number): string {
  return (bytes / MIB).toFixed(1).padStart(6);
}
