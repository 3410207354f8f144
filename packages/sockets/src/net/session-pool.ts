import { type ClientSession, type DialOptions, KwikError } from "@kwik/core";

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
  /** Gives the dial up. */
  readonly dialling: AbortController;
  isDialled: boolean;
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

  /**
   * The session for this server and these options, dialled if there is none. Rejects as `dial`, and with ABORTED at once when `signal` is aborted; a dial that nobody waits for any more is
   * given up.
   */
  async lease(target: string | URL, { signal: own, ...options }: DialOptions = {}, signal: AbortSignal | undefined = own): Promise<Lease> {
    const key = this.#keyOf(target, options);
    let pooled = this.#pooled.get(key);
    if (pooled === undefined) {
      const dialling = new AbortController();
      const session = this.#dial(target, { ...options, signal: dialling.signal });
      pooled = { key, session, dialling, isDialled: false, users: 0, isLeaving: false, idleTimer: undefined };
      this.#pooled.set(key, pooled);
      this.#watch(pooled);
    }
    pooled.users += 1;
    clearTimeout(pooled.idleTimer);
    const lent = pooled;
    const release = (): void => this.#release(lent);
    try {
      return { session: await unlessAborted(pooled.session, signal), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #release(pooled: Pooled): void {
    pooled.users -= 1;
    if (pooled.users === 0 && !pooled.isDialled) {
      this.#leave(pooled);
      pooled.dialling.abort();
    }
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
        pooled.isDialled = true;
        for await (const event of session.events()) if (event.type === "suspended" || event.type === "going-away") break;
      })
      .then(leave, leave);
  }

  /** Equal texts for equal options; functions are equal if they are the same. */
  #keyOf(target: string | URL, options: DialOptions): string {
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

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new KwikError("ABORTED", "the connection was aborted", { cause: signal.reason }));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
