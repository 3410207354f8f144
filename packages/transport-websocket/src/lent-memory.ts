import { Arrival } from "@kwik/core";

interface Lent {
  readonly buffer: ArrayBufferLike;
  readonly arrival: Arrival;
}

/**
 * Memory that `ws` was given pieces of, until it is done with them. It takes bytes in order, and tells of a message while it takes in the last piece that
 * holds some of it: of the pieces before, nothing is left in it then.
 */
export class LentMemory {
  readonly #lent: Lent[] = [];
  /** A message that `ws` put together itself, in memory of its own. */
  #joined: Arrival | undefined;

  /** `data` goes to `ws` next. */
  lend(data: Uint8Array, arrival: Arrival | undefined): void {
    if (arrival === undefined || arrival === this.#lent.at(-1)?.arrival) return;
    arrival.hold();
    this.#lent.push({ buffer: data.buffer, arrival });
  }

  /** The memory of a message, if it can be given back; it is held until `settle`. */
  arrivalOf(message: Uint8Array): Arrival | undefined {
    const { buffer } = message;
    const lent = this.#lent.find((one) => one.buffer === buffer);
    if (lent !== undefined) return lent.arrival;
    this.#joined = Arrival.of(message);
    return this.#joined;
  }

  /** The message was taken. */
  settle(): void {
    this.#joined?.release();
    this.#joined = undefined;
    while (this.#lent.length > 1) this.#lent.shift()?.arrival.release();
  }
}
