/** What both clocks show: the one that says which tickets are good, and one that nobody sets. Milliseconds. */
interface Clocks {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/**
 * The ids of used tickets, each kept until the ticket could not be used again anyway: until its time is over by the wall clock, and has really passed, so that no
 * step of the wall clock, ahead and back again, makes it good once more. Refuses when full rather than forget one.
 */
export class SpentTickets {
  readonly #forgetAt = new Map<string, Clocks>();
  readonly #max: number;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(max: number) {
    this.#max = max;
  }

  /** "fresh" if the id is new, which is then remembered until the wall clock shows `forgetAtMs`. */
  spend(id: string, forgetAtMs: number, now: Clocks): "fresh" | "spent" | "full" {
    const sinceSweepMs = now.monotonicMs - this.#sweptAtMs;
    if (sinceSweepMs >= 10_000 || (this.#forgetAt.size >= this.#max && sinceSweepMs >= 500)) this.#sweep(now);
    if (this.#forgetAt.has(id)) return "spent";
    if (this.#forgetAt.size >= this.#max) return "full";
    this.#forgetAt.set(id, { wallMs: forgetAtMs, monotonicMs: now.monotonicMs + forgetAtMs - now.wallMs });
    return "fresh";
  }

  #sweep(now: Clocks): void {
    this.#sweptAtMs = now.monotonicMs;
    // A second more than needed: the ticket's own times are in whole seconds.
    for (const [id, { wallMs, monotonicMs }] of this.#forgetAt)
      if (wallMs + 1000 < now.wallMs && monotonicMs + 1000 < now.monotonicMs) this.#forgetAt.delete(id);
  }
}
