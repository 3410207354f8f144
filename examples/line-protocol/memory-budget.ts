/**
 * Counts the memory that is held, at two levels: a session's budget has the server's as its parent. Nothing is held that was not taken
 * here first.
 */
export class MemoryBudget {
  readonly #maxBytes: number;
  readonly #parent: MemoryBudget | undefined;
  #heldBytes = 0;
  #mostHeldBytes = 0;
  /** Of the held bytes, those that go by themselves once a file is written. */
  #leavingBytes = 0;
  #waiting: (() => void)[] = [];

  constructor(maxBytes: number, parent?: MemoryBudget) {
    this.#maxBytes = maxBytes;
    this.#parent = parent;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The highest that `heldBytes` has been. */
  get mostHeldBytes(): number {
    return this.#mostHeldBytes;
  }

  /** Whether bytes will be given back without anything more from a peer. */
  get willShrink(): boolean {
    return this.#leavingBytes > 0;
  }

  /** Takes bytes from this level and its parent. Answers the level that has no room, and then takes nothing. */
  take(bytes: number): MemoryBudget | undefined {
    const levels = this.#levels();
    const full = levels.find((level) => level.#heldBytes + bytes > level.#maxBytes);
    if (full !== undefined) return full;
    for (const level of levels) {
      level.#heldBytes += bytes;
      level.#mostHeldBytes = Math.max(level.#mostHeldBytes, level.#heldBytes);
    }
    return undefined;
  }

  giveBack(bytes: number): void {
    for (const level of this.#levels()) {
      level.#heldBytes -= bytes;
      for (const wake of level.#waiting.splice(0)) wake();
    }
  }

  /** Runs a step at whose end, however it ends, `bytes` are given back. */
  async giveBackAfter<T>(bytes: number, step: Promise<T>): Promise<T> {
    for (const level of this.#levels()) level.#leavingBytes += bytes;
    try {
      return await step;
    } finally {
      for (const level of this.#levels()) level.#leavingBytes -= bytes;
      this.giveBack(bytes);
    }
  }

  /** Resolves when bytes have been given back. */
  shrunk(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #levels(): readonly MemoryBudget[] {
    return this.#parent === undefined ? [this] : [this, this.#parent];
  }
}
