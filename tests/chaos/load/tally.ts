/** Counts of what a process has seen, since it last told. */
export interface Tally {
  /** By "group: name", as in "stream ended: HOME_LOST". */
  readonly counts: Readonly<Record<string, number>>;
}

/** Counts, told in differences. */
export class TallyBook {
  #counts: Record<string, number> = {};

  add(name: string, by = 1): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + by;
  }

  addAll(tally: Tally): void {
    for (const [name, by] of Object.entries(tally.counts)) this.add(name, by);
  }

  of(name: string): number {
    return this.#counts[name] ?? 0;
  }

  /** Those whose name begins with `group`, which is cut off, the greatest first. */
  group(group: string): readonly (readonly [string, number])[] {
    return Object.entries(this.#counts)
      .filter(([name]) => name.startsWith(group))
      .map(([name, count]) => [name.slice(group.length), count] as const)
      .sort(([, a], [, b]) => b - a);
  }

  /** What was counted since the last time, or undefined if nothing was. */
  take(): Tally | undefined {
    const counts = this.#counts;
    if (Object.keys(counts).length === 0) return undefined;
    this.#counts = {};
    return { counts };
  }
}
