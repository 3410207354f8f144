import type { Instant } from "../base/time.ts";

const BUCKET_MS = 100;
const BUCKETS = 10;

/** Bytes that arrived within about the last second. */
export class ArrivalRate {
  readonly #bytes = new Float64Array(BUCKETS);
  /** Serial number of the newest bucket. */
  #newest = 0;

  add(now: Instant, bytes: number): void {
    const index = this.#advance(now) % BUCKETS;
    this.#bytes[index] = (this.#bytes[index] as number) + bytes;
  }

  /** Bytes per second. */
  perSecond(now: Instant): number {
    this.#advance(now);
    let total = 0;
    for (let i = 0; i < BUCKETS; i += 1) total += this.#bytes[i] as number;
    const coveredMs = (BUCKETS - 1) * BUCKET_MS + (now % BUCKET_MS);
    return (total * 1000) / coveredMs;
  }

  #advance(now: Instant): number {
    const serial = Math.floor(now / BUCKET_MS);
    if (serial <= this.#newest) return this.#newest;
    const stale = Math.min(serial - this.#newest, BUCKETS);
    for (let i = 0; i < stale; i += 1) this.#bytes[(serial - i) % BUCKETS] = 0;
    this.#newest = serial;
    return serial;
  }
}
