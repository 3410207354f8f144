import type { Runtime } from "../driver/runtime.ts";
import type { ServerSessionOverPaths } from "./server-session.ts";

/** The time that a listener gives to its sessions when it closes. spec: DRAIN-1, DRAIN-5 */
export class Draining {
  readonly #runtime: Runtime;
  readonly #timers: unknown[] = [];
  #isOver = false;
  #end: () => void = () => undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Whether nobody is waited for any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Tells the clients, and resolves when all sessions have ended, or their time is over. */
  async run(sessions: readonly ServerSessionOverPaths[], graceMs: number, replacements: readonly string[]): Promise<void> {
    for (const session of sessions) session.goAway("the server is shutting down", graceMs, replacements);
    if (graceMs > 0 && sessions.length > 0) {
      const over = new Promise<void>((resolve) => (this.#end = resolve));
      this.endIn(graceMs);
      await Promise.race([Promise.all(sessions.map((session) => session.closed)), over]);
    }
    this.#isOver = true;
    for (const timer of this.#timers) this.#runtime.clearTimer(timer);
  }

  /** It is over then, at the latest. */
  endIn(ms: number): void {
    if (!this.#isOver) this.#timers.push(this.#runtime.setTimer(() => this.#end(), ms));
  }
}
