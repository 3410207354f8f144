import type { PathId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import { RangeSet } from "../base/range-set.ts";
import type { Instant } from "../base/time.ts";

/** Ranges in one acknowledgement, at most. */
const MAX_REPORTED_RANGES = 64;
/** Ranges remembered, at most. */
const MAX_RANGES = 4096;
const ACK_EVERY_PACKETS = 2;

/** What an acknowledgement says. `ranges` are pairs of first and last number, highest pair first. */
export interface AckContent {
  pathId: PathId;
  largest: number;
  /** How long ago `largest` arrived, in microseconds. */
  delayMicros: number;
  ranges: number[];
}

/**
 * What has been received on one path, and when that should be said. spec: ACK-2
 *
 * Carriers of a link are independent, so packets overtake each other all the time: a gap is no sign of loss and does not hurry the
 * acknowledgement. Links are reliable, so gaps fill soon and few ranges remain. Should there ever be more than 4096, the lowest gaps
 * are given up: a number from one of them then counts as a duplicate. It was never acknowledged, so its sender still has its frames.
 */
export class AckTracker {
  readonly #maxAckDelayMs: number;
  readonly #received = new RangeSet();
  /** Received since the last acknowledgement, or left out of it. */
  readonly #unreported = new RangeSet();
  #largest = -1;
  #largestAt: Instant = 0;
  #elicitingCount = 0;
  #dueAt: Instant | undefined;
  #forgottenBelow = 0;

  constructor(limits: Pick<Limits, "maxAckDelayMs">) {
    this.#maxAckDelayMs = limits.maxAckDelayMs;
  }

  /** When an acknowledgement should go out; undefined if none is owed. A moment in the past means at once. */
  get dueAt(): Instant | undefined {
    return this.#dueAt;
  }

  received(number: number, isAckEliciting: boolean, now: Instant): "new" | "duplicate" {
    if (number < this.#forgottenBelow || this.#received.add(number, number + 1) === 0) return "duplicate";
    this.#unreported.add(number, number + 1);
    if (number > this.#largest) {
      this.#largest = number;
      this.#largestAt = now;
    }
    if (this.#received.rangeCount > MAX_RANGES) this.#forgetLowestGap();
    if (isAckEliciting) {
      this.#elicitingCount += 1;
      if (this.#elicitingCount >= ACK_EVERY_PACKETS) this.#dueBy(now);
      else this.#dueBy(now + this.#maxAckDelayMs);
    }
    return "new";
  }

  /** The next acknowledgement should not wait: a probe or the end of a stream arrived. */
  requestImmediate(): void {
    this.#dueAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * Writes the acknowledgement, due or not; undefined if nothing was ever received. Reports the newest 64 ranges, but first of all those
   * that grew since the last one; if even these are more than 64, the next acknowledgement is due at once.
   */
  build(now: Instant, pathId: PathId): AckContent | undefined {
    if (this.#received.isEmpty) {
      this.#dueAt = undefined;
      return undefined;
    }
    const ranges = this.#received.rangeCount <= MAX_REPORTED_RANGES ? this.#allRanges() : this.#chosenRanges();
    this.#elicitingCount = 0;
    this.#dueAt = this.#unreported.isEmpty ? undefined : now;
    const delayMicros = Math.max(0, Math.round((now - this.#largestAt) * 1000));
    return { pathId, largest: this.#largest, delayMicros, ranges };
  }

  #dueBy(at: Instant): void {
    if (this.#dueAt === undefined || at < this.#dueAt) this.#dueAt = at;
  }

  #allRanges(): number[] {
    const ranges: number[] = [];
    for (let i = this.#received.rangeCount - 1; i >= 0; i -= 1) ranges.push(this.#received.startAt(i), this.#received.endAt(i) - 1);
    this.#unreported.clear();
    return ranges;
  }

  #chosenRanges(): number[] {
    const received = this.#received;
    const grown = this.#grownRangeCount();
    let spare = Math.max(0, MAX_REPORTED_RANGES - grown);
    let left = MAX_REPORTED_RANGES;
    const ranges: number[] = [];
    for (let i = received.rangeCount - 1; i >= 0 && left > 0; i -= 1) {
      const start = received.startAt(i);
      const end = received.endAt(i);
      const isNewest = i === received.rangeCount - 1;
      // Only what lies in this range is left at the top of the unreported numbers: higher ranges were taken out before.
      const hasGrown = this.#unreportedIn(start, end);
      if (!hasGrown && !isNewest && spare === 0) continue;
      if (!hasGrown && spare > 0) spare -= 1;
      left -= 1;
      this.#unreported.delete(start, end);
      ranges.push(start, end - 1);
    }
    return ranges;
  }

  #grownRangeCount(): number {
    let count = 0;
    let u = this.#unreported.rangeCount - 1;
    for (let i = this.#received.rangeCount - 1; i >= 0 && u >= 0; i -= 1) {
      const start = this.#received.startAt(i);
      if (this.#unreported.startAt(u) < start) continue;
      count += 1;
      while (u >= 0 && this.#unreported.startAt(u) >= start) u -= 1;
    }
    return count;
  }

  #unreportedIn(start: number, end: number): boolean {
    const last = this.#unreported.rangeCount - 1;
    if (last < 0) return false;
    return this.#unreported.startAt(last) >= start && this.#unreported.startAt(last) < end;
  }

  #forgetLowestGap(): void {
    this.#forgottenBelow = this.#received.startAt(1);
    this.#received.delete(this.#received.startAt(0), this.#received.endAt(0));
    this.#unreported.delete(0, this.#forgottenBelow);
  }
}
