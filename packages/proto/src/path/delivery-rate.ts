import type { DurationMs, Instant } from "../base/time.ts";
import { WindowedMax } from "./windowed-max.ts";

/** Spans shorter than this, in milliseconds, say more about event loops than about the path. */
export const MIN_SAMPLE_MS = 8;
/** The maximum is taken over at least this long … */
const MIN_WINDOW_MS = 500;
/** … and at least so many round trips. */
const WINDOW_ROUND_TRIPS = 10;
/** Points kept per sample span; acknowledgements closer than a share of the span are one point. */
const POINTS_PER_SPAN = 16;
const RING_SIZE = 64;

/**
 * How fast a path delivers, measured from its acknowledgements (after draft-cheng-iccrg-delivery-rate-estimation).
 *
 * Acknowledgements come in bursts, because both ends work in turns of an event loop. So a sample spans at least a round trip (and
 * eight milliseconds), from one acknowledgement to another, and the time is the longer one of the span of acknowledging and
 * the span of sending: acknowledgements that were held up and released together do not look like a fast path.
 */
export class DeliveryRate {
  readonly #max = new WindowedMax();
  readonly #burst = new WindowedMax();
  #deliveredBytes = 0;
  #newestSentAt: Instant = 0;
  /** Samples that start below this delivered count were sent with nothing more to send. */
  #appLimitedUntilBytes = -1;
  #sampleCount = 0;
  #epochStart: Instant = 0;
  #epochBytes = 0;

  // A ring of points: when an acknowledgement came, what had been delivered then, when its newest packet had been sent.
  readonly #pointAt = new Float64Array(RING_SIZE);
  readonly #pointDelivered = new Float64Array(RING_SIZE);
  readonly #pointSentAt = new Float64Array(RING_SIZE);
  #first = 0;
  #count = 0;
  #pointOpenedAt: Instant = 0;

  /** Bytes per millisecond; 0 before the first sample. */
  get bytesPerMs(): number {
    return this.#max.value;
  }

  /** Bytes acknowledged since the beginning. */
  get deliveredBytes(): number {
    return this.#deliveredBytes;
  }

  /** Grows with every sample that says something about the path (not about a sender without data). */
  get sampleCount(): number {
    return this.#sampleCount;
  }

  /** The largest amount by which acknowledgements lately ran ahead of the rate: how coarsely both ends and the path batch. */
  get burstBytes(): number {
    return this.#burst.value;
  }

  /** A packet goes out; `inFlightBytes` without it. A path that was idle begins a new measurement. */
  handleSent(now: Instant, inFlightBytes: number): void {
    if (inFlightBytes > 0 || (this.#count > 0 && !this.isAppLimited)) return;
    this.#first = 0;
    this.#count = 0;
    this.#push(now, now);
    this.#epochStart = now;
    this.#epochBytes = 0;
  }

  /** There is room, but nothing to send: until what is in flight has arrived, samples measure the application, not the path. */
  setAppLimited(inFlightBytes: number): void {
    this.#appLimitedUntilBytes = this.#deliveredBytes + inFlightBytes;
  }

  get isAppLimited(): boolean {
    return this.#deliveredBytes <= this.#appLimitedUntilBytes;
  }

  /** Bytes were newly acknowledged, the newest of them sent at `newestSentAt`. */
  handleAck(now: Instant, ackedBytes: number, newestSentAt: Instant, smoothedRttMs: DurationMs, minRttMs: DurationMs): void {
    this.#deliveredBytes += ackedBytes;
    if (newestSentAt > this.#newestSentAt) this.#newestSentAt = newestSentAt;
    const spanMs = Math.max(smoothedRttMs, MIN_SAMPLE_MS);
    const windowMs = Math.max(WINDOW_ROUND_TRIPS * minRttMs, MIN_WINDOW_MS);
    this.#sample(now, spanMs, windowMs);
    this.#measureBurst(now, ackedBytes, windowMs);
    if (this.#count > 1 && now - this.#pointOpenedAt < spanMs / POINTS_PER_SPAN) this.#moveLast(now);
    else this.#push(now, this.#newestSentAt);
  }

  #sample(now: Instant, spanMs: DurationMs, windowMs: DurationMs): void {
    // The newest point that is old enough; older ones are not needed again.
    while (this.#count > 1 && now - (this.#pointAt[(this.#first + 1) % RING_SIZE] as number) >= spanMs) {
      this.#first = (this.#first + 1) % RING_SIZE;
      this.#count -= 1;
    }
    if (this.#count === 0) return;
    const point = this.#first;
    const ackMs = now - (this.#pointAt[point] as number);
    if (ackMs < spanMs) return;
    const delivered = this.#pointDelivered[point] as number;
    const rate = (this.#deliveredBytes - delivered) / Math.max(ackMs, this.#newestSentAt - (this.#pointSentAt[point] as number));
    const isAppLimited = delivered < this.#appLimitedUntilBytes;
    // Without data to fill it a path looks as slow as its sender: unknown is better than that, or nothing would ever be given to it.
    if (isAppLimited && (rate <= this.#max.value || this.#sampleCount === 0)) return;
    this.#max.update(rate, windowMs, now);
    if (!isAppLimited) this.#sampleCount += 1;
  }

  #measureBurst(now: Instant, ackedBytes: number, windowMs: DurationMs): void {
    const rate = this.#max.value;
    if (rate === 0) return;
    let expected = rate * (now - this.#epochStart);
    if (this.#epochBytes <= expected) {
      this.#epochStart = now;
      this.#epochBytes = 0;
      expected = 0;
    }
    this.#epochBytes += ackedBytes;
    this.#burst.update(this.#epochBytes - expected, windowMs, now);
  }

  #push(now: Instant, sentAt: Instant): void {
    if (this.#count === RING_SIZE) {
      this.#first = (this.#first + 1) % RING_SIZE;
      this.#count -= 1;
    }
    const index = (this.#first + this.#count) % RING_SIZE;
    this.#pointAt[index] = now;
    this.#pointDelivered[index] = this.#deliveredBytes;
    this.#pointSentAt[index] = sentAt;
    this.#count += 1;
    this.#pointOpenedAt = now;
  }

  #moveLast(now: Instant): void {
    const index = (this.#first + this.#count - 1) % RING_SIZE;
    this.#pointAt[index] = now;
    this.#pointDelivered[index] = this.#deliveredBytes;
    this.#pointSentAt[index] = this.#newestSentAt;
  }
}
