interface Session {
  underWay: number;
  readonly waiting: (() => void)[];
}

/**
 * Whose range is fetched next, of one origin: sessions take turns, and each has a few under way at most, so that one that asks for much keeps nobody else from theirs.
 */
export class RangeTurns {
  readonly #maxTotal: number;
  readonly #maxPerSession: number;
  /** In the order of their turns. */
  readonly #sessions = new Map<string, Session>();
  #underWay = 0;

  constructor(maxTotal: number, maxPerSession: number) {
    this.#maxTotal = maxTotal;
    this.#maxPerSession = maxPerSession;
  }

  /** Does it when it is this session's turn. Rejects with the signal's reason if that is given first. */
  async run<T>(session: string, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    await this.#turn(session, signal);
    try {
      return await act();
    } finally {
      this.#end(session);
    }
  }

  #turn(name: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const session = this.#sessions.get(name) ?? { underWay: 0, waiting: [] };
    this.#sessions.set(name, session);
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = (): void => {
        session.waiting.splice(session.waiting.indexOf(begin), 1);
        this.#forget(name, session);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      session.waiting.push(begin);
      this.#next();
    });
  }

  #end(name: string): void {
    const session = this.#sessions.get(name);
    if (session === undefined) return;
    this.#underWay -= 1;
    session.underWay -= 1;
    this.#forget(name, session);
    this.#next();
  }

  #next(): void {
    while (this.#underWay < this.#maxTotal) {
      const next = [...this.#sessions].find(([, { underWay, waiting }]) => waiting.length > 0 && underWay < this.#maxPerSession);
      if (next === undefined) return;
      const [name, session] = next;
      // Behind all others.
      this.#sessions.delete(name);
      this.#sessions.set(name, session);
      this.#underWay += 1;
      session.underWay += 1;
      session.waiting.shift()?.();
    }
  }

  #forget(name: string, { underWay, waiting }: Session): void {
    if (underWay === 0 && waiting.length === 0) this.#sessions.delete(name);
  }
}
