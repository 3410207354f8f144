import { type Rate, takeAt } from "@kwik/proto";

/** The same rate for each of many keys. Memory is bounded: whoever was heard of longest ago is forgotten first. */
export class RateTable {
  readonly #rate: Rate;
  readonly #maxKeys: number;
  /** In the order in which they were heard of last. */
  readonly #freeAt = new Map<string, number>();

  constructor(rate: Rate, maxKeys: number) {
    this.#rate = rate;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#freeAt.size;
  }

  /** Takes one of the key; answers undefined if it is allowed, else after how many milliseconds it would be. `beyond`: as for `RateLimit`. */
  take(key: string, nowMs: number, beyond = 0): number | undefined {
    const { perSecond, burst } = this.#rate;
    const outcome = takeAt({ perSecond, burst: burst + beyond }, this.#freeAt.get(key) ?? 0, nowMs);
    if ("retryAfterMs" in outcome) return outcome.retryAfterMs;
    this.#freeAt.delete(key);
    this.#makeRoom(nowMs);
    this.#freeAt.set(key, outcome.freeAt);
    return undefined;
  }

  /** Gives one back that `take` took: it was not what is limited here. */
  giveBack(key: string): void {
    const freeAt = this.#freeAt.get(key);
    if (freeAt !== undefined) this.#freeAt.set(key, freeAt - 1000 / this.#rate.perSecond);
  }

  #makeRoom(nowMs: number): void {
    // Those that have all of their burst again are as good as unknown; they are mostly at the front. Two at a time, so that the table shrinks.
    for (let looked = 0; looked < 2; looked += 1) {
      const [oldest] = this.#freeAt;
      if (oldest === undefined || (oldest[1] > nowMs && this.#freeAt.size < this.#maxKeys)) return;
      this.#freeAt.delete(oldest[0]);
    }
  }
}
