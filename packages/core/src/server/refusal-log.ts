import type { RefusalReason } from "../api/refusal-reason.ts";

/** Time between two notices of refusals for the same reason, in milliseconds: whoever knocks in numbers shall not fill the log. */
const NOTICE_INTERVAL_MS = 10_000;

interface Entry {
  count: number;
  toldAtMs: number;
  untold: number;
}

/** Counts who was refused, by reason, and tells of them: of many for one reason within a short time only the first, and later how many there were. */
export class RefusalLog {
  readonly #now: () => number;
  readonly #tell: ((message: string) => void) | undefined;
  readonly #entries = new Map<RefusalReason, Entry>();

  constructor(now: () => number, tell: ((message: string) => void) | undefined) {
    this.#now = now;
    this.#tell = tell;
  }

  get total(): number {
    let total = 0;
    for (const { count } of this.#entries.values()) total += count;
    return total;
  }

  counts(): Partial<Record<RefusalReason, number>> {
    return Object.fromEntries([...this.#entries].map(([reason, { count }]) => [reason, count]));
  }

  /** `why` is undefined where whoever counts it has told of it. */
  add(remote: string, reason: RefusalReason, why: string | undefined): void {
    const entry = this.#entries.get(reason) ?? { count: 0, toldAtMs: Number.NEGATIVE_INFINITY, untold: 0 };
    this.#entries.set(reason, entry);
    entry.count += 1;
    if (why === undefined) return;
    const now = this.#now();
    if (now - entry.toldAtMs < NOTICE_INTERVAL_MS) {
      entry.untold += 1;
      return;
    }
    const others = entry.untold === 0 ? "" : ` (and ${entry.untold} others for this reason since the last notice)`;
    entry.toldAtMs = now;
    entry.untold = 0;
    this.#tell?.(`refused ${remote}: ${why}${others}`);
  }
}
