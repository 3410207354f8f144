import type { DurationMs, Instant } from "../base/time.ts";

/** Memory of the average in milliseconds, while the source still ramps up and afterwards. */
const RAMP_MEMORY_MS = 100;
const MEMORY_MS = 300;

/** How long the peak is remembered, in milliseconds. */
const PEAK_MEMORY_MS = 1_000;

/** Arrivals are summed over at least this long, so that a burst does not read as a rate. */
const MIN_SPAN_MS = 20;

/**
 * How fast bytes come from one source while they are awaited: a time-weighted average over about 300 ms. Times at which nothing is
 * awaited, and the wait for the first byte after them, do not count, so that a source asked for little still shows its speed.
 */
export class ArrivalRate {
  /** Start of the open span: the arrival whose bytes ended the one before; undefined while paused. */
  #spanStart: Instant | undefined;
  #spanBytes = 0;
  #average: number | undefined;
  /** Highest recent measurement, fading. */
  #peak = 0;
  /** Whether enough was asked for, when the open span began, to fill the pipe at the peak rate. */
  #isFull = false;
  #spacing: DurationMs = MIN_SPAN_MS;

  /** Whether there is a measurement. */
  get isKnown(): boolean {
    return this.#average !== undefined;
  }

  /** Tells the arrival of bytes, while `outstandingBytes` were awaited of a source `rttMs` away. */
  add(now: Instant, bytes: number, outstandingBytes: number, rttMs: DurationMs, isRamping: boolean): void {
    if (this.#spanStart === undefined) {
      this.#begin(now, outstandingBytes, rttMs);
      return;
    }
    this.#spanBytes += bytes;
    const span = now - this.#spanStart;
    if (span < MIN_SPAN_MS) return;
    const rate = this.#spanBytes / span;
    this.#spacing = span;
    this.#peak = Math.max(rate, this.#peak * Math.exp(-span / PEAK_MEMORY_MS));
    // Gaps in a pipe that we did not fill say nothing about the source.
    if (this.#average === undefined) this.#average = rate;
    else if (rate > this.#average || this.#isFull) {
      this.#average += (rate - this.#average) * (1 - Math.exp(-span / (isRamping ? RAMP_MEMORY_MS : MEMORY_MS)));
    }
    this.#begin(now, outstandingBytes, rttMs);
  }

  #begin(now: Instant, outstandingBytes: number, rttMs: DurationMs): void {
    this.#spanStart = now;
    this.#spanBytes = 0;
    this.#isFull = outstandingBytes >= this.#peak * rttMs;
  }

  /** Nothing is awaited any more. */
  pause(): void {
    this.#spanStart = undefined;
  }

  /** Forgets everything, because the source stalled: what was known says nothing about what comes. */
  reset(): void {
    this.#peak = 0;
    this.#spanStart = undefined;
    this.#average = undefined;
  }

  /** Bytes per millisecond; 0 while unknown. */
  get bytesPerMs(): number {
    return this.#average ?? 0;
  }

  /** Highest recent measurement, in bytes per millisecond: what the source can do when it is asked for enough. */
  get peakBytesPerMs(): number {
    return this.#peak;
  }

  /** How far apart arrivals lie, in milliseconds: the span of the last measurement, at least 20. */
  get spacingMs(): DurationMs {
    return this.#spacing;
  }
}
