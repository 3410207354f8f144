const LOOK_MS = 1_000;

/** Something that has to come to an end. */
export interface Watched {
  /** It goes on. */
  progress(): void;
  /** From now on nothing is seen of how it goes on, as when all was written that the other side has to read: it may take half as long again. */
  unseen(): void;
  end(): void;
}

const UNSEEN_FACTOR = 1.5;

/** Notices what neither goes on nor ends. */
export class StallWatch {
  readonly #waiting = new Set<{ readonly what: () => string; since: number; factor: number }>();
  readonly #timer: NodeJS.Timeout;

  /** `onStall` is told once of each thing that stands still for `limitMs`. */
  constructor(limitMs: number, onStall: (text: string) => void) {
    let lookedAt = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      // A process that did not run could not go on either.
      const lostMs = Math.max(0, now - lookedAt - 2 * LOOK_MS);
      lookedAt = now;
      for (const one of this.#waiting) {
        one.since += lostMs;
        if (now - one.since < limitMs * one.factor) continue;
        this.#waiting.delete(one);
        onStall(`${one.what()} has stood still for ${Math.round((now - one.since) / 1000)} s`);
      }
    }, LOOK_MS);
  }

  get size(): number {
    return this.#waiting.size;
  }

  begin(what: () => string): Watched {
    const one = { what, since: performance.now(), factor: 1 };
    this.#waiting.add(one);
    return {
      progress: () => {
        one.since = performance.now();
      },
      unseen: () => {
        one.factor = UNSEEN_FACTOR;
      },
      end: () => void this.#waiting.delete(one),
    };
  }

  /** Waits for `work`, which has to end in time. */
  async during<T>(what: () => string, work: (watched: Watched) => Promise<T>): Promise<T> {
    const watched = this.begin(what);
    try {
      return await work(watched);
    } finally {
      watched.end();
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
