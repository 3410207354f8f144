import { errorName } from "@kwik/proto";
import { KwikError, PathError } from "../api/errors.ts";

interface Waiter<T> {
  readonly what: string;
  resolve(value: T): void;
  reject(reason: Error): void;
}

/** What a server has asked its client for, and the client's answers. spec: CTRL-13 */
export class ClientAnswers<T> {
  readonly #waiters = new Map<number, Waiter<T>>();

  /** The answer to a request about `what`. Rejects with what the client says against it, or ABORTED, of which `onAborted` is told. */
  wait(requestId: number, what: string, signal: AbortSignal | undefined, onAborted?: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const abort = (): void => {
        this.#waiters.delete(requestId);
        onAborted?.();
        reject(new KwikError("ABORTED", "the wait was aborted", { cause: signal?.reason }));
      };
      if (signal?.aborted === true) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      const done = (): void => signal?.removeEventListener("abort", abort);
      this.#waiters.set(requestId, {
        what,
        resolve: (value) => {
          done();
          resolve(value);
        },
        reject: (reason) => {
          done();
          reject(reason);
        },
      });
    });
  }

  /** The client has answered. */
  settle(requestId: number, code: number, reason: string, value: T): void {
    const waiter = this.#waiters.get(requestId);
    if (waiter === undefined) return;
    this.#waiters.delete(requestId);
    const { what } = waiter;
    if (code === 0) waiter.resolve(value);
    else
      waiter.reject(
        new PathError(errorName(code), `${what}: ${reason === "" ? errorName(code) : reason}`, what, undefined, { remote: true }),
      );
  }

  /** Nobody answers any more. */
  end(error: Error): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error);
    this.#waiters.clear();
  }
}
