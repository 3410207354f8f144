/** A sender that was refused because the engine's shared write budget was used up. */
export interface WaitingSender {
  /** Sends up to about `limitBytes`. "refused": the budget is used up again; "more": there is more to send; "idle": nothing now. */
  flush(limitBytes: number): "refused" | "more" | "idle";
}

/** What one sender may send before the next has its turn, in bytes. */
const TURN_BYTES = 256 * 1024;

/** Lets the senders of one engine object take turns at its write budget, which would otherwise belong to whoever asks first. */
export class WriteTurns {
  readonly #waiting = new Set<WaitingSender>();

  add(sender: WaitingSender): void {
    this.#waiting.add(sender);
  }

  delete(sender: WaitingSender): void {
    this.#waiting.delete(sender);
  }

  /** The engine takes data again. */
  run(): void {
    // A set iterates in order of insertion, and over what is inserted while it runs: taking out and putting in again is the rotation.
    for (const sender of this.#waiting) {
      this.#waiting.delete(sender);
      const outcome = sender.flush(TURN_BYTES);
      if (outcome !== "idle") this.#waiting.add(sender);
      if (outcome === "refused") return;
    }
  }
}
