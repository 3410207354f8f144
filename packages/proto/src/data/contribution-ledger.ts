import { RangeSet } from "../base/range-set.ts";

/** Separate ranges that are remembered of one contributor and stream; 1 MiB of memory. */
const MAX_RANGES = 65_536;

/**
 * What one contributor has sent of a stream, for its connection credit: each byte counts once, and its credit is returned when the
 * reader has passed it. A contributor that leaves more holes than are remembered finds the lowest of them taken as sent:
 * bytes that it sends there later count nothing, so that credit for them is not returned.
 */
export class ContributionLedger {
  readonly #seen = new RangeSet();
  #uncountedBytes = 0;
  #releasedBytes = 0;

  /** Bytes of [start, end) that it had not sent before. */
  count(start: number, end: number): number {
    const added = this.#seen.add(start, end);
    if (this.#seen.rangeCount > MAX_RANGES) {
      this.#uncountedBytes += this.#seen.add(this.#seen.startAt(0), this.#seen.endAt(MAX_RANGES / 2));
    }
    return added;
  }

  /** Credit to return for what lies below `offset`, since the last call. */
  release(offset: number): number {
    const seen = this.#seen;
    let below = -this.#uncountedBytes;
    for (let index = 0; index < seen.rangeCount && seen.startAt(index) < offset; index += 1) {
      below += Math.min(seen.endAt(index), offset) - seen.startAt(index);
    }
    const released = Math.max(0, below - this.#releasedBytes);
    this.#releasedBytes += released;
    return released;
  }
}
