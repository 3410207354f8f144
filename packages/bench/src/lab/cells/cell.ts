import type { HoleSide } from "../network/lab-network.ts";
import type { Line } from "../network/line.ts";
import type { Direction } from "../process/lab-stream.ts";

/** What goes wrong while the bytes run. Lines and servers count from 0. */
export type Fault = FaultKind & {
  /** After the transfer was asked for, in milliseconds. */
  readonly afterMs: number;
  /** How long it lasts, in milliseconds. Default: for ever. */
  readonly lastsMs?: number;
};

type FaultKind =
  | { readonly kind: "kill"; readonly server: number }
  | { readonly kind: "link-down"; readonly line: number }
  | { readonly kind: "hole"; readonly line: number; readonly side: HoleSide };

/** What a bar looks at. Ratios are of rates. */
export type BarMeasure =
  | "of-sum-single"
  | "of-best-single"
  | "seconds"
  | "gap-p50-ms"
  | "gap-p99-ms"
  | "recovered-ms"
  | "first-byte-of-one"
  | "of-default-window"
  | "queue-of-bdp"
  | "tail-share"
  | "duplicate-share"
  | "of-tcp-flow"
  | "of-link";

export interface Bar {
  readonly measure: BarMeasure;
  readonly kind: "at least" | "at most";
  readonly limit: number;
  /** The contenders that it is about. Default: kwik in both modes. */
  readonly contenders?: readonly string[];
}

/** One row of the laboratory: lines, what runs over them, what breaks, and what is expected. */
export interface Cell {
  /** "2 unequal/10+50+100". What stands before the stroke is the group; groups have a chart each. */
  readonly name: string;
  readonly lines: readonly Line[];
  readonly directions: readonly Direction[];
  /** Bytes of the transfer. Default: what all lines together carry in `seconds`. */
  readonly bytes?: number;
  /** Default 5. */
  readonly seconds?: number;
  /** Default 3. */
  readonly repeats?: number;
  /** Of contenders that no bar is about. Default: as many. */
  readonly peerRepeats?: number;
  /** Names, or what they begin with up to the "-". Default: all that fit. */
  readonly contenders?: readonly string[];
  readonly fault?: Fault;
  /** Kwik also runs with a receive window of twice the product of all rates and the longest round trip, as "kwik-…-small". */
  readonly hasSmallWindow?: boolean;
  /** All servers are behind the one line. */
  readonly sharedServers?: number;
  readonly bars: readonly Bar[];
}

const DEFAULT_SECONDS = 5;
const DEFAULT_REPEATS = 3;
/** Contents consist of blocks of this size, and so are all transfers. */
const BLOCK_BYTES = 256 * 1024;

/** How often a contender runs. */
export function repeatsOf(cell: Cell, contender: string): number {
  const repeats = cell.repeats ?? DEFAULT_REPEATS;
  return contender.startsWith("kwik") ? repeats : (cell.peerRepeats ?? repeats);
}

/** Rate of all lines together, in megabits per second. */
export function sumRateOf(cell: Cell): number {
  return cell.lines.reduce((sum, line) => sum + line.megabitsPerSecond, 0);
}

/** Size of the transfer over all lines, in bytes. */
export function bytesOf(cell: Cell): number {
  return cell.bytes ?? blocks(sumRateOf(cell), cell.seconds ?? DEFAULT_SECONDS);
}

/** Size of a transfer over line `index` alone that takes about as long, in bytes. */
export function bytesOfLine(cell: Cell, index: number): number {
  const rate = cell.lines[index]?.megabitsPerSecond ?? 0;
  return blocks(rate, (bytesOf(cell) * 8) / (sumRateOf(cell) * 1e6));
}

function blocks(megabitsPerSecond: number, seconds: number): number {
  return Math.max(1, Math.round((megabitsPerSecond * 1e6 * seconds) / 8 / BLOCK_BYTES)) * BLOCK_BYTES;
}

/** Twice the product of all rates and the longest round trip: what multipath needs to receive in order, in bytes. */
export function smallWindowBytesOf(cell: Cell): number {
  const longestMs = Math.max(...cell.lines.map((line) => (line.roundTripMs ?? 0) + (line.jitterMs ?? 0)));
  return Math.round((2 * sumRateOf(cell) * 1e6 * longestMs) / 8000);
}
