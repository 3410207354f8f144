import { type ClientSession, KwikError } from "@kwik/core";

/** Pauses between attempts, in milliseconds: doubled up to the longest, and back to the first after a session. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export interface KeptSessionOptions {
  readonly dial: (signal: AbortSignal) => Promise<ClientSession>;
  readonly onSession?: (session: ClientSession) => void;
  /** A session has ended, or could not be made. */
  readonly onLost?: (error: KwikError, retryMs: number) => void;
}

/** Always one session, as far as there is a server: when one ends the next is dialled. */
export class KeptSession implements AsyncDisposable {
  readonly #options: KeptSessionOptions;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<(session: ClientSession) => void>();
  #session: ClientSession | undefined;
  #sessions = 0;

  constructor(options: KeptSessionOptions) {
    this.#options = options;
  }

  /** The session that is there now. */
  get current(): ClientSession | undefined {
    return this.#session;
  }

  /** Sessions so far. */
  get count(): number {
    return this.#sessions;
  }

  /** Dials for the first time; rejects as `dial`. From then on there is no end but `asyncDispose`. */
  async start(): Promise<void> {
    const session = await this.#options.dial(this.#stop.signal);
    this.#begin(session);
    void this.#keep(session);
  }

  /** The session, once there is one. Rejects with UNREACHABLE after `waitMs`, with ABORTED. */
  next(waitMs: number, signal?: AbortSignal): Promise<ClientSession> {
    if (this.#session !== undefined) return Promise.resolve(this.#session);
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        this.#waiting.delete(found);
      };
      const found = (session: ClientSession): void => {
        finish();
        resolve(session);
      };
      const fail = (error: KwikError): void => {
        finish();
        reject(error);
      };
      const abort = (): void => fail(new KwikError("ABORTED", "the wait for a session was aborted"));
      const timer = setTimeout(() => fail(new KwikError("UNREACHABLE", `no gateway could be reached within ${waitMs} ms`)), waitMs);
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.add(found);
      if (signal?.aborted === true) abort();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#session?.closeWithError(0, "the proxy ends");
  }

  #begin(session: ClientSession): void {
    this.#session = session;
    this.#sessions += 1;
    this.#options.onSession?.(session);
    for (const found of this.#waiting) found(session);
  }

  async #keep(first: ClientSession): Promise<void> {
    const { signal } = this.#stop;
    let session: ClientSession | undefined = first;
    let pauseMs = FIRST_PAUSE_MS;
    while (!isStopped(signal)) {
      if (session !== undefined) {
        const { code, reason } = await session.closed;
        this.#session = undefined;
        pauseMs = FIRST_PAUSE_MS;
        if (!isStopped(signal)) this.#options.onLost?.(new KwikError("CLOSED", reason === "" ? code : `${code}, ${reason}`), pauseMs);
      }
      await pause(pauseMs, signal);
      if (isStopped(signal)) return;
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      try {
        session = await this.#options.dial(signal);
      } catch (error) {
        session = undefined;
        if (!isStopped(signal)) this.#options.onLost?.(KwikError.from(error, "UNREACHABLE"), pauseMs);
        continue;
      }
      this.#begin(session);
      if (isStopped(signal)) await session.closeWithError(0, "the proxy ends");
    }
  }
}

/** By itself, because the signal changes while others are awaited. */
function isStopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
