/** Randomness that the caller gives; the state machine has none of its own. */
export interface Rng {
  /** A uniform number in [0, 1). */
  next(): number;
}

/** A small seeded generator (mulberry32) for simulation and jitter; not for secrets. */
export class SeededRng implements Rng {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}
