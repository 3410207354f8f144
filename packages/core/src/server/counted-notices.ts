/** Time between two notices of one kind, in milliseconds: whoever knocks in numbers shall not fill the log. */
const NOTICE_INTERVAL_MS = 10_000;

interface Entry {
  count: number;
  toldAtMs: number;
  untold: number;
}

/** Counts what happens, by kind, and tells of it: of many of one kind within a short time only the first, and later how many there were. Kinds are few. */
export class CountedNotices<Kind extends string> {
  readonly #now: () => number;
  readonly #tell: ((message: string) => void) | undefined;
  readonly #entries = new Map<Kind, Entry>();

  constructor(now: () => number, tell: ((message: string) => void) | undefined) {
    this.#now = now;
    this.#tell = tell;
  }

  get total(): number {
    let total = 0;
    for (const { count } of this.#entries.values()) total += count;
    return total;
  }

  counts(): Partial<Record<Kind, number>> {
    return Object.fromEntries([...this.#entries].map(([kind, { count }]) => [kind, count])) as Partial<Record<Kind, number>>;
  }

  /** `message` is undefined where whoever counts it has told of it, or nobody needs to know. */
  add(kind: Kind, message: string | undefined): void {
    const entry = this.#entries.get(kind) ?? { count: 0, toldAtMs: Number.NEGATIVE_INFINITY, untold: 0 };
    this.#entries.set(kind, entry);
    entry.count += 1;
    if (message === undefined) return;
    const now = this.#now();
    if (now - entry.toldAtMs < NOTICE_INTERVAL_MS) {
      entry.untold += 1;
      return;
    }
    const others = entry.untold === 0 ? "" : ` (and ${entry.untold} others for this reason since the last notice)`;
    entry.toldAtMs = now;
    entry.untold = 0;
    this.#tell?.(`${message}${others}`);
  }
}
