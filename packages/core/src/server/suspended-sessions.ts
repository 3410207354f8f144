import type { ServerSessionOverPaths } from "./server-session.ts";

/** The sessions of a listener that have no path: how many there may be, and what became of them. spec: RESUME-8 */
export class SuspendedSessions {
  readonly #max: number;
  /** The one that has waited longest first. */
  readonly #waiting = new Set<ServerSessionOverPaths>();
  resumed = 0;
  expired = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** A session has lost its last path. Beyond the limit the one that has waited longest ends. */
  suspended(session: ServerSessionOverPaths): void {
    this.#waiting.add(session);
    if (this.#waiting.size <= this.#max) return;
    for (const oldest of this.#waiting) {
      oldest.giveUp(`more than ${this.#max} sessions without a path (limits.maxSuspendedSessions)`);
      return;
    }
  }

  hasPath(session: ServerSessionOverPaths): void {
    if (this.#waiting.delete(session)) this.resumed += 1;
  }

  ended(session: ServerSessionOverPaths, isExpired: boolean): void {
    if (this.#waiting.delete(session) && isExpired) this.expired += 1;
  }
}
