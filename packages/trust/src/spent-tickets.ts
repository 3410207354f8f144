/** The ids of used tickets, each kept until the ticket could not be used again anyway. Refuses when full rather than forget one. */
export class SpentTickets {
  readonly #forgetAtMs = new Map<string, number>();
  readonly #max: number;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(max: number) {
    this.#max = max;
  }

  /** "fresh" if the id is new, which is then remembered until `forgetAtMs`. */
  spend(id: string, forgetAtMs: number, nowMs: number): "fresh" | "spent" | "full" {
    const sinceSweepMs = nowMs - this.#sweptAtMs;
    if (sinceSweepMs >= 10_000 || (this.#forgetAtMs.size >= this.#max && sinceSweepMs >= 500)) this.#sweep(nowMs);
    if (this.#forgetAtMs.has(id)) return "spent";
    if (this.#forgetAtMs.size >= this.#max) return "full";
    this.#forgetAtMs.set(id, forgetAtMs);
    return "fresh";
  }

  #sweep(nowMs: number): void {
    this.#sweptAtMs = nowMs;
    // A second more than needed: the ticket's own times are in whole seconds.
    for (const [id, forgetAtMs] of this.#forgetAtMs) if (forgetAtMs + 1000 < nowMs) this.#forgetAtMs.delete(id);
  }
}
