/**
 * Knows how old this thread's view of the engine may be. Events wait in a queue until the event loop comes round; a busy loop acts on
 * what was true some time ago. Costs one immediate per turn in which something is sent.
 */
export class LoopClock {
  #isArmed = false;
  #turn = 0;
  #turnStartedAt = 0;
  #drainedAt = 0;
  readonly #onTurn = (): void => {
    this.#isArmed = false;
    this.#turn += 1;
    // This runs after the events of this turn; what the engine said before the turn began has been heard.
    this.#drainedAt = this.#turnStartedAt;
    this.#turnStartedAt = performance.now();
  };

  /** All events that the engine emitted before this time have been handled. Milliseconds of `performance.now`. */
  get drainedAt(): number {
    return this.#drainedAt;
  }

  get turn(): number {
    return this.#turn;
  }

  get turnStartedAt(): number {
    return this.#turnStartedAt;
  }

  /** To be called whenever something is sent. */
  touch(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(this.#onTurn);
  }
}

/** One event loop, one clock. */
export const loopClock = new LoopClock();
