import type { Resting } from "../driver/session-driver.ts";

/** Memory that writers fill is made in pieces of this size, once they write much. */
export const SLAB_BYTES = 64 * 1024;
/** Empty slabs kept for what is written next, at most: as much as may be in flight and is written ahead of it, and a slab that is not full yet for each of many streams. */
const MAX_SPARE_SLABS = 256;

/**
 * Empty slabs of all streams to one peer. The last one given is taken first: its memory is most likely still in the processor's cache.
 *
 * One peer only: should a hostile one acknowledge what it has not got, a slab is written again while a link still holds its bytes back, and
 * what then reaches that peer at the wrong place is meant for it all the same.
 */
export class SlabPool implements Resting {
  #spare: Uint8Array[] = [];
  #isInUse = false;
  #isResting = false;
  readonly #rest: (pool: Resting) => void;

  /** `rest` sees to it that `settle` is called once, a moment later. */
  constructor(rest: (pool: Resting) => void) {
    this.#rest = rest;
  }

  take(): Uint8Array {
    this.#isInUse = true;
    return this.#spare.pop() ?? new Uint8Array(SLAB_BYTES);
  }

  /** Takes a slab back that nobody reads any more. */
  give(slab: Uint8Array): void {
    if (this.#spare.length >= MAX_SPARE_SLABS) return;
    this.#spare.push(slab);
    this.#startRest();
  }

  /** Lets go of the memory if none was taken since the last time: the streams that wrote it may all be gone. */
  settle(isOver: boolean): void {
    this.#isResting = false;
    if (this.#isInUse && !isOver) this.#startRest();
    else this.#spare = [];
    this.#isInUse = false;
  }

  #startRest(): void {
    if (this.#isResting) return;
    this.#isResting = true;
    this.#rest(this);
  }
}
