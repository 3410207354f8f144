import type { Direction } from "../process/lab-stream.ts";

/** One run of one contender in one cell: a row of the CSV. */
export interface RunRecord {
  readonly cell: string;
  readonly contender: string;
  readonly direction: Direction;
  readonly repeat: number;
  readonly bytes: number;
  /** From the request to the last byte; of a process that does everything, its whole life. */
  readonly seconds: number;
  readonly megabitsPerSecond: number;
  readonly connectMs?: number | undefined;
  readonly firstByteMs?: number | undefined;
  readonly longestGapMs?: number | undefined;
  /** When it began, after the request. */
  readonly gapAtMs?: number | undefined;
  readonly lastTwentiethMs?: number | undefined;
  /** What the client's devices counted, by line, headers included. */
  readonly lineBytes: readonly number[];
  readonly duplicateBytes?: number | undefined;
  /** The highest round-trip time that a ping beside it saw, by line. */
  readonly worstRoundTripMs: readonly number[];
  /** The middle one, by line. */
  readonly usualRoundTripMs: readonly number[];
  /** Of both ends. */
  readonly cpuSeconds: number;
  /** From the end of a fault until its line carried data again. */
  readonly recoveredMs?: number | undefined;
  /** Rate of a TCP flow that ran beside it. */
  readonly besideMegabitsPerSecond?: number | undefined;
  /** "line 2 idle": what makes the run doubtful. */
  readonly flags: readonly string[];
  readonly failure?: string | undefined;
  /** What the contender itself told of its paths. */
  readonly events: readonly string[];
}

/** Rate in megabits per second. */
export function rateOf(bytes: number, seconds: number): number {
  return seconds > 0 ? (bytes * 8) / 1e6 / seconds : 0;
}
