import { KwikError } from "../api/errors.ts";

interface Waiter<T> {
  resolve(value: T): void;
  reject(reason: unknown): void;
  signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
}

/** Values that arrive and consumers that wait for them, first come first served. */
export class AsyncQueue<T> {
  #values: T[] = [];
  #waiters: Waiter<T>[] = [];
  #end: Error | undefined;

  get length(): number {
    return this.#values.length;
  }

  push(value: T): void {
    if (this.#end !== undefined) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) {
      this.#values.push(value);
      return;
    }
    release(waiter);
    waiter.resolve(value);
  }

  /** Takes one without waiting. */
  poll(): T | undefined {
    return this.#values.shift();
  }

  /** The next value; rejects with the end's reason once all values are taken, or ABORTED. */
  next(signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    const value = this.#values.shift();
    if (value !== undefined) return Promise.resolve(value);
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter<T> = { resolve, reject, signal, onAbort: undefined };
      if (signal !== undefined) {
        waiter.onAbort = () => {
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          reject(aborted(signal));
        };
        signal.addEventListener("abort", waiter.onAbort, { once: true });
      }
      this.#waiters.push(waiter);
    });
  }

  /** No more values: waiting consumers reject with `reason`; values that are there can still be taken. */
  end(reason: Error): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    for (const waiter of this.#waiters.splice(0)) {
      release(waiter);
      waiter.reject(reason);
    }
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }
}

export function aborted(signal: AbortSignal): KwikError {
  return new KwikError("ABORTED", "the wait was aborted", { cause: signal.reason });
}

function release(waiter: { signal: AbortSignal | undefined; onAbort: (() => void) | undefined }): void {
  if (waiter.onAbort !== undefined) waiter.signal?.removeEventListener("abort", waiter.onAbort);
}
