import type { KwikError } from "@kwik/core";

/** How long a relay that has said no is not asked again for the same, in milliseconds: paths are redialled every few seconds. */
const REMEMBER_MS = 30_000;
const MAX_REMEMBERED = 1_000;

/** What the same question to a relay would only bring again, for a while. */
const LASTING = new Set<string>(["ADDRESS_REFUSED", "AUTH_REFUSED", "NOT_SUPPORTED", "NOT_TRUSTED"]);

/** Refusals that hold for a while. */
export class Refusals {
  readonly #now: () => number;
  readonly #refused = new Map<string, { readonly error: KwikError; readonly until: number }>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** What the question was answered with lately; undefined if it may be asked. */
  of(question: string): KwikError | undefined {
    const refused = this.#refused.get(question);
    if (refused === undefined || refused.until > this.#now()) return refused?.error;
    this.#refused.delete(question);
    return undefined;
  }

  remember(question: string, error: KwikError): void {
    if (!LASTING.has(error.code)) return;
    if (this.#refused.size >= MAX_REMEMBERED) this.#refused.clear();
    this.#refused.set(question, { error, until: this.#now() + REMEMBER_MS });
  }
}
