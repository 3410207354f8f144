/**
 * A set of numbers kept as sorted, disjoint, non-touching half-open ranges [start, end).
 * Used for received packet numbers, acknowledged bytes and missing bytes. Appending at the end is O(1).
 */
export class RangeSet {
  /** start, end, start, end … ascending. */
  readonly #edges: number[] = [];

  get rangeCount(): number {
    return this.#edges.length / 2;
  }

  get isEmpty(): boolean {
    return this.#edges.length === 0;
  }

  /** Start of range `index`, ascending from 0. */
  startAt(index: number): number {
    return this.#edges[index * 2] as number;
  }

  /** End (exclusive) of range `index`. */
  endAt(index: number): number {
    return this.#edges[index * 2 + 1] as number;
  }

  /** Sum of the lengths of all ranges. */
  get size(): number {
    let total = 0;
    for (let i = 0; i < this.#edges.length; i += 2) total += (this.#edges[i + 1] as number) - (this.#edges[i] as number);
    return total;
  }

  has(value: number): boolean {
    const index = this.#rangeAtOrBefore(value);
    return index >= 0 && value < this.endAt(index);
  }

  /** Whether every number of [start, end) is in the set. */
  covers(start: number, end: number): boolean {
    if (start >= end) return true;
    const index = this.#rangeAtOrBefore(start);
    return index >= 0 && end <= this.endAt(index);
  }

  /** Adds [start, end); answers how many numbers were new. */
  add(start: number, end: number): number {
    if (start >= end) return 0;
    const edges = this.#edges;
    const last = edges.length - 2;
    if (last < 0 || start > (edges[last + 1] as number)) {
      edges.push(start, end);
      return end - start;
    }
    if (start >= (edges[last] as number)) {
      const tail = edges[last + 1] as number;
      if (end <= tail) return 0;
      edges[last + 1] = end;
      return end - Math.max(tail, start);
    }
    return this.#insert(start, end);
  }

  /** Removes [start, end); answers how many numbers went. */
  delete(start: number, end: number): number {
    if (start >= end) return 0;
    const edges = this.#edges;
    let first = this.#rangeAtOrBefore(start);
    if (first < 0 || this.endAt(first) <= start) first += 1;
    let removed = 0;
    let index = first;
    const kept: number[] = [];
    while (index < this.rangeCount && this.startAt(index) < end) {
      const from = this.startAt(index);
      const to = this.endAt(index);
      removed += Math.min(to, end) - Math.max(from, start);
      if (from < start) kept.push(from, start);
      if (to > end) kept.push(end, to);
      index += 1;
    }
    edges.splice(first * 2, (index - first) * 2, ...kept);
    return removed;
  }

  /** Takes the lowest range out, at most `limit` numbers of it. */
  takeFirst(limit: number): { start: number; end: number } | undefined {
    if (this.#edges.length === 0) return undefined;
    const start = this.#edges[0] as number;
    const stop = this.#edges[1] as number;
    const end = Math.min(stop, start + limit);
    if (end === stop) this.#edges.splice(0, 2);
    else this.#edges[0] = end;
    return { start, end };
  }

  clear(): void {
    this.#edges.length = 0;
  }

  #rangeAtOrBefore(value: number): number {
    let low = 0;
    let high = this.rangeCount - 1;
    let found = -1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.startAt(middle) <= value) {
        found = middle;
        low = middle + 1;
      } else high = middle - 1;
    }
    return found;
  }

  #insert(start: number, end: number): number {
    let first = this.#rangeAtOrBefore(start);
    if (first < 0 || this.endAt(first) < start) first += 1;
    let index = first;
    let from = start;
    let to = end;
    let present = 0;
    while (index < this.rangeCount && this.startAt(index) <= end) {
      const s = this.startAt(index);
      const e = this.endAt(index);
      present += Math.max(0, Math.min(e, end) - Math.max(s, start));
      from = Math.min(from, s);
      to = Math.max(to, e);
      index += 1;
    }
    this.#edges.splice(first * 2, (index - first) * 2, from, to);
    return end - start - present;
  }
}
