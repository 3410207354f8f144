/** Somebody who writes, and waits while there is no room. */
export interface BudgetUser {
  /** There may be room again. */
  update(): void;
}

/** What a session may hold whatever others do: enough to go on with, at a few megabytes per second on a long path. */
const FLOOR_BYTES = 256 * 1024;
/** Those who wait go on when a tenth is free again: waking them all for each packet would cost more than the packet. */
const WAKE_SHARE = 0.9;

/** Bytes that all sessions of one listener have written and not got acknowledged. */
export class SendPool {
  readonly #maxBytes: number;
  readonly #waiting = new Set<SendBudget>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get hasRoom(): boolean {
    return this.#bytes < this.#maxBytes;
  }

  change(bytes: number): void {
    this.#bytes += bytes;
    if (this.#waiting.size === 0 || this.#bytes > this.#maxBytes * WAKE_SHARE) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const budget of waiting) budget.wake();
  }

  wait(budget: SendBudget): void {
    this.#waiting.add(budget);
  }

  forget(budget: SendBudget): void {
    this.#waiting.delete(budget);
  }
}

/** Bytes that one session has written, on all its streams, and not got acknowledged. */
export class SendBudget {
  readonly #maxBytes: number;
  readonly #pool: SendPool | undefined;
  readonly #waiting = new Set<BudgetUser>();
  #bytes = 0;
  #isOver = false;

  constructor(maxBytes: number, pool: SendPool | undefined) {
    this.#maxBytes = Math.max(maxBytes, FLOOR_BYTES);
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get hasRoom(): boolean {
    return this.#bytes < FLOOR_BYTES || (this.#bytes < this.#maxBytes && this.#pool?.hasRoom !== false);
  }

  /** A stream holds so much more, or less. */
  change(bytes: number): void {
    if (bytes === 0 || this.#isOver) return;
    this.#bytes += bytes;
    this.#pool?.change(bytes);
    if (bytes < 0 && this.#waiting.size > 0 && (this.#bytes < FLOOR_BYTES || this.#bytes <= this.#maxBytes * WAKE_SHARE)) this.wake();
  }

  /** `user` is told once when there may be room. */
  wait(user: BudgetUser): void {
    this.#waiting.add(user);
    if (this.#pool?.hasRoom === false) this.#pool.wait(this);
  }

  wake(): void {
    if (!this.hasRoom) {
      // Others were quicker.
      if (this.#waiting.size > 0 && this.#bytes < this.#maxBytes) this.#pool?.wait(this);
      return;
    }
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const user of waiting) user.update();
  }

  /** The session is over: what it held goes with it. */
  end(): void {
    this.#waiting.clear();
    this.#pool?.forget(this);
    this.change(-this.#bytes);
    this.#isOver = true;
  }
}
