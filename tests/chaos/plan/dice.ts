import { SeededRng } from "@kwik/proto";

/** Choices of a seed. */
export class Dice {
  readonly #rng: SeededRng;

  constructor(seed: number) {
    this.#rng = new SeededRng(seed);
  }

  /** From `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.#rng.next() * (most - least + 1));
  }

  oneOf<T>(choices: readonly T[]): T {
    return choices[this.whole(0, choices.length - 1)] as T;
  }

  /** True in this share of cases. */
  chance(share: number): boolean {
    return this.#rng.next() < share;
  }
}
