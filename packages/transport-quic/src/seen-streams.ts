/**
 * Which of the peer's streams have been seen, so that late data of a reset stream does not bring it back. Streams are opened nearly in
 * order: all below a floor have been seen, and the few above it are kept one by one.
 */
export class SeenStreams {
  #floor = 0;
  readonly #above = new Set<number>();

  /** Notes a stream by its sequence number; answers whether it is new. */
  add(sequence: number): boolean {
    if (sequence < this.#floor || this.#above.has(sequence)) return false;
    if (sequence > this.#floor) {
      this.#above.add(sequence);
      return true;
    }
    this.#floor += 1;
    while (this.#above.delete(this.#floor)) this.#floor += 1;
    return true;
  }
}
