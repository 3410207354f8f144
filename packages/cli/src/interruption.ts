import { ExitStatus } from "./exit-status.ts";

/** Turns the first SIGINT or SIGTERM into an aborted signal; the second ends the process at once. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #listener = (): void => {
    if (this.#controller.signal.aborted) process.exit(ExitStatus.interrupted);
    this.#controller.abort();
  };

  constructor() {
    process.on("SIGINT", this.#listener);
    process.on("SIGTERM", this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether it has happened. */
  hasHappened(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Gives the signals back to their defaults. */
  [Symbol.dispose](): void {
    process.off("SIGINT", this.#listener);
    process.off("SIGTERM", this.#listener);
  }
}
