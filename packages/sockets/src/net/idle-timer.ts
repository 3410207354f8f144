/** Largest delay of a timer of Node, in milliseconds; longer ones are cut to it, as `net` does. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Calls back when nothing happened for a time. Does not keep the process running. */
export class IdleTimer {
  timeoutMs: number | undefined;
  readonly #onIdle: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(onIdle: () => void) {
    this.#onIdle = onIdle;
  }

  /** Begins anew; 0 turns it off. */
  set(timeoutMs: number): void {
    clearTimeout(this.#timer);
    this.timeoutMs = Math.min(timeoutMs, MAX_TIMEOUT_MS);
    this.#timer = timeoutMs === 0 ? undefined : setTimeout(this.#onIdle, this.timeoutMs).unref();
  }

  /** Turns it off; `timeoutMs` stays. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Something happened. */
  refresh(): void {
    this.#timer?.refresh();
  }
}
