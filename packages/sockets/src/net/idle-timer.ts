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

  /** Begins anew; 0 turns it off. Throws a RangeError for what is no time. */
  set(timeoutMs: number): void {
    if (!Number.isFinite(timeoutMs) || timeoutMs < 0) {
      const error = new RangeError(
        `The value of "msecs" is out of range. It must be a non-negative finite number. Received ${String(timeoutMs)}`,
      );
      throw Object.assign(error, { code: "ERR_OUT_OF_RANGE" });
    }
    clearTimeout(this.#timer);
    this.timeoutMs = Math.min(timeoutMs, MAX_TIMEOUT_MS);
    this.#timer = timeoutMs === 0 ? undefined : setTimeout(this.#onIdle, this.timeoutMs).unref();
  }

  /** Something happened. */
  refresh(): void {
    this.#timer?.refresh();
  }
}
