/** How often something may happen. */
export interface Rate {
  readonly perSecond: number;
  /** How many may happen at once after a quiet time; at least 1. */
  readonly burst: number;
}

/**
 * The generic cell rate algorithm: one number says all there is to know of who asks. `freeAt` is when everything that was allowed would be paid for at the
 * steady rate; a burst is how far that may lie ahead.
 */
export function takeAt(rate: Rate, freeAt: number, nowMs: number): { readonly freeAt: number } | { readonly retryAfterMs: number } {
  if (rate.perSecond <= 0) return { retryAfterMs: MAX_RETRY_MS };
  const intervalMs = 1000 / rate.perSecond;
  const base = Math.max(freeAt, nowMs);
  const excessMs = base - nowMs - intervalMs * (Math.max(1, rate.burst) - 1);
  return excessMs > 0 ? { retryAfterMs: Math.min(Math.ceil(excessMs), MAX_RETRY_MS) } : { freeAt: base + intervalMs };
}

/** Nobody is told to wait longer than an hour. */
const MAX_RETRY_MS = 3_600_000;

/** One rate for everybody together. */
export class RateLimit {
  readonly #rate: Rate;
  #freeAt = 0;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /**
   * Takes one; answers undefined if it is allowed, else after how many milliseconds it would be. Who may go `beyond` the burst is let in where others, who may
   * not, have used it up; the steady rate is that of all.
   */
  take(nowMs: number, beyond = 0): number | undefined {
    const { perSecond, burst } = this.#rate;
    const outcome = takeAt({ perSecond, burst: burst + beyond }, this.#freeAt, nowMs);
    if ("retryAfterMs" in outcome) return outcome.retryAfterMs;
    this.#freeAt = outcome.freeAt;
    return undefined;
  }

  /** Gives the last one back: it was not what is limited here. */
  giveBack(): void {
    this.#freeAt -= 1000 / this.#rate.perSecond;
  }
}
