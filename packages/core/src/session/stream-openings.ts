import { KwikError } from "../api/errors.ts";

/** Those who wait until a stream may be opened; each tries again when it is woken. */
export class StreamOpenings {
  readonly #waiting: (() => void)[] = [];

  /** Resolves when it is worth another try. Rejects with ABORTED. */
  next(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const abort = (): void => {
        const at = this.#waiting.indexOf(finish);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(new KwikError("ABORTED", "the wait for a stream was aborted", { cause: signal?.reason }));
      };
      if (signal?.aborted === true) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.push(finish);
    });
  }

  wake(): void {
    for (const waiter of this.#waiting.splice(0)) waiter();
  }
}
