/** Something that will happen. */
export interface Timer {
  readonly at: number;
  isCancelled: boolean;
}

/** Tells the time, and does things later. */
export interface Clock {
  /** Milliseconds, monotonic. */
  readonly now: number;
  schedule(delayMs: number, action: () => void): Timer;
  cancel(timer: Timer): void;
}

interface Entry extends Timer {
  readonly sequence: number;
  readonly action: () => void;
}

/** So many actions at one moment are a loop. */
const MAX_SAME_MOMENT = 100_000;

/** Simulated time: a queue of actions by moment, equal moments in the order in which they were asked for. */
export class VirtualClock implements Clock {
  readonly #heap: Entry[] = [];
  #now = 0;
  #sequence = 0;
  #sameMoment = 0;

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now;
  }

  /** Actions that wait, cancelled ones included. */
  get size(): number {
    return this.#heap.length;
  }

  schedule(delayMs: number, action: () => void): Timer {
    return this.scheduleAt(this.#now + Math.max(0, delayMs), action);
  }

  /** At a moment that was worked out before: no rounding puts equal ones out of order. */
  scheduleAt(moment: number, action: () => void): Timer {
    const entry: Entry = { at: Math.max(this.#now, moment), sequence: this.#sequence++, action, isCancelled: false };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[index] = heap[parent] as Entry;
      index = parent;
    }
    heap[index] = entry;
    return entry;
  }

  cancel(timer: Timer): void {
    timer.isCancelled = true;
  }

  /** Moment of the next action; undefined if nothing waits. */
  nextAt(): number | undefined {
    while (this.#heap[0]?.isCancelled === true) this.#pop();
    return this.#heap[0]?.at;
  }

  /** Carries out the next action, if it is not after `until`; otherwise time moves to `until`. Answers whether it did one. */
  step(until: number): boolean {
    const at = this.nextAt();
    if (at === undefined || at > until) {
      this.#now = Math.max(this.#now, until);
      return false;
    }
    const entry = this.#pop();
    this.#sameMoment = at === this.#now ? this.#sameMoment + 1 : 0;
    if (this.#sameMoment > MAX_SAME_MOMENT) throw new Error(`at ${at} ms time stands still`);
    this.#now = at;
    entry.action();
    return true;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const first = heap[0] as Entry;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[index] = heap[child] as Entry;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at === b.at ? a.sequence < b.sequence : a.at < b.at;
}
