import type { Line } from "../network/line.ts";
import type { Direction } from "../process/lab-stream.ts";
import type { CounterSample } from "../roles/counter.ts";

/** Below this part of what its rate makes its share, a line counts as idle. */
const IDLE_SHARE = 0.05;
/** A line is used again when this part of its rate goes over it for a WINDOW_MS. */
const USED_SHARE = 0.25;
const WINDOW_MS = 200;
/** More than acknowledgements and pings in one sample. */
const SIGNIFICANT_BYTES = 1_500;

/** What the counters say about one transfer. */
export interface LineUse {
  readonly bytes: readonly number[];
  /** Longest time in which hardly anything arrived on any line, within the transfer, in milliseconds. */
  readonly longestGapMs: number;
  /** From when all but the last twentieth was there to the end, in milliseconds. */
  readonly lastTwentiethMs: number;
}

/** Sums up the samples of the time between two moments. */
export function lineUse(samples: readonly CounterSample[], direction: Direction): LineUse {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return { bytes: [], longestGapMs: 0, lastTwentiethMs: 0 };
  const bytes = countsOf(last, direction).map((count, line) => count - (countsOf(first, direction)[line] ?? 0));
  const total = sum(bytes);
  let longestGapMs = 0;
  let quietSince = first.atMs;
  let before = sum(countsOf(first, direction));
  let lastTwentiethAt = last.atMs;
  for (const sample of samples) {
    const now = sum(countsOf(sample, direction));
    if (now - before > SIGNIFICANT_BYTES) {
      longestGapMs = Math.max(longestGapMs, sample.atMs - quietSince);
      quietSince = sample.atMs;
    }
    before = now;
    if (lastTwentiethAt === last.atMs && now - sum(countsOf(first, direction)) >= total * 0.95) lastTwentiethAt = sample.atMs;
  }
  return { bytes, longestGapMs, lastTwentiethMs: last.atMs - lastTwentiethAt };
}

/** Lines that carried less than a twentieth of their share, as flags. */
export function idleLines(lines: readonly Line[], bytes: readonly number[]): string[] {
  const total = sum(bytes);
  const rates = sum(lines.map((line) => line.megabitsPerSecond));
  return lines.flatMap((line, index) =>
    (bytes[index] ?? 0) < (total * line.megabitsPerSecond * IDLE_SHARE) / rates ? [`line ${index + 1} idle`] : [],
  );
}

/** How long after `repairedAt` the line carried data again, in milliseconds; undefined if it never did. */
export function recoveryMs(
  samples: readonly CounterSample[],
  direction: Direction,
  index: number,
  line: Line,
  repairedAt: number,
): number | undefined {
  const wanted = (line.megabitsPerSecond * 1e3 * WINDOW_MS * USED_SHARE) / 8;
  const after = samples.filter((sample) => sample.atMs >= repairedAt);
  for (const [begin, sample] of after.entries()) {
    const end = after.slice(begin).find((later) => later.atMs - sample.atMs >= WINDOW_MS);
    if (end === undefined) return undefined;
    if ((countsOf(end, direction)[index] ?? 0) - (countsOf(sample, direction)[index] ?? 0) >= wanted) return end.atMs - repairedAt;
  }
  return undefined;
}

function countsOf(sample: CounterSample, direction: Direction): readonly number[] {
  return direction === "down" ? sample.received : sample.sent;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
