import type { ClientSession, DialOptions } from "@kwik/core";

/** A session of which no socket is left is closed after this time, in milliseconds. Until then it keeps the process running. */
export const IDLE_SESSION_MS = 1000;

export type Dial = (target: string | URL, options?: DialOptions) => Promise<ClientSession>;

/** A session in use. */
export interface Lease {
  readonly session: ClientSession;
  /** To be called once, when it is not used any more. */
  readonly release: () => void;
}

interface Pooled {
  readonly key: string;
  readonly session: Promise<ClientSession>;
  users: number;
  /** Whether it takes no new users, and is closed after its last one without waiting. */
  isLeaving: boolean;
  idleTimer: NodeJS.Timeout | undefined;
}

/** Sessions that connections with equal options share. */
export class SessionPool {
  readonly #dial: Dial;
  readonly #pooled = new Map<string, Pooled>();
  readonly #functionIds = new WeakMap<object, number>();
  #lastFunctionId = 0;

  constructor(dial: Dial) {
    this.#dial = dial;
  }

  /** Sessions that are open or being dialled and take further users. */
  get size(): number {
    return this.#pooled.size;
  }

  /** The session for this server and these options, dialled if there is none. Rejects as `dial`. */
  async lease(target: string | URL, options: DialOptions = {}): Promise<Lease> {
    const key = this.#keyOf(target, options);
    let pooled = this.#pooled.get(key);
    if (pooled === undefined) {
      pooled = { key, session: this.#dial(target, options), users: 0, isLeaving: false, idleTimer: undefined };
      this.#pooled.set(key, pooled);
      this.#watch(pooled);
    }
    pooled.users += 1;
    clearTimeout(pooled.idleTimer);
    const lent = pooled;
    const release = (): void => this.#release(lent);
    try {
      return { session: await pooled.session, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #release(pooled: Pooled): void {
    pooled.users -= 1;
    this.#closeWhenIdle(pooled);
  }

  #closeWhenIdle(pooled: Pooled): void {
    if (pooled.users > 0) return;
    clearTimeout(pooled.idleTimer);
    const close = (): void => {
      this.#leave(pooled);
      pooled.session.then((session) => session.close()).catch(() => undefined);
    };
    if (pooled.isLeaving) return close();
    pooled.idleTimer = setTimeout(close, IDLE_SESSION_MS).unref();
  }

  #leave(pooled: Pooled): void {
    pooled.isLeaving = true;
    if (this.#pooled.get(pooled.key) === pooled) this.#pooled.delete(pooled.key);
  }

  /** Nobody new gets a session that has failed, ended, is being drained, or has lost its last path. */
  #watch(pooled: Pooled): void {
    const leave = (): void => {
      if (pooled.isLeaving) return;
      this.#leave(pooled);
      this.#closeWhenIdle(pooled);
    };
    pooled.session
      .then(async (session) => {
        for await (const event of session.events()) if (event.type === "suspended" || event.type === "going-away") break;
      })
      .then(leave, leave);
  }

  /** Equal texts for equal options; functions are equal if they are the same. */
  #keyOf(target: string | URL, { signal: _, ...options }: DialOptions): string {
    return JSON.stringify([String(target), options], (_name, value: unknown) => {
      if (typeof value === "bigint") return String(value);
      if (typeof value !== "function") return value;
      let id = this.#functionIds.get(value);
      if (id === undefined) {
        this.#lastFunctionId += 1;
        id = this.#lastFunctionId;
        this.#functionIds.set(value, id);
      }
      return `function ${id}`;
    });
  }
}
