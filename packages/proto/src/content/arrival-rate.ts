import type { DurationMs, Instant } from "../base/time.ts";

/** Memory of the average in milliseconds, while the source still ramps up and afterwards. */
const RAMP_MEMORY_MS = 100;
const MEMORY_MS = 300;

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
  #spacing: DurationMs = MIN_SPAN_MS;

  /** Whether there is a measurement. */
  get isKnown(): boolean {
    return this.#average !== undefined;
  }

  /** Tells the arrival of bytes. */
  add(now: Instant, bytes: number, isRamping: boolean): void {
    if (this.#spanStart === undefined) {
      this.#spanStart = now;
      this.#spanBytes = 0;
      return;
    }
    this.#spanBytes += bytes;
    const span = now - this.#spanStart;
    if (span < MIN_SPAN_MS) return;
    this.#spacing = span;
    const rate = this.#spanBytes / span;
    const weight = 1 - Math.exp(-span / (isRamping ? RAMP_MEMORY_MS : MEMORY_MS));
    this.#average = this.#average === undefined ? rate : this.#average + (rate - this.#average) * weight;
    this.#spanStart = now;
    this.#spanBytes = 0;
  }

  /** Nothing is awaited any more. */
  pause(): void {
    this.#spanStart = undefined;
  }

  /** Forgets everything, because the source stalled: what was known says nothing about what comes. */
  reset(): void {
    this.#spanStart = undefined;
    this.#average = undefined;
  }

  /** Bytes per millisecond; 0 while unknown. */
  get bytesPerMs(): number {
    return this.#average ?? 0;
  }

  /** How far apart arrivals lie, in milliseconds: the span of the last measurement, at least 20. */
  get spacingMs(): DurationMs {
    return this.#spacing;
  }
}
