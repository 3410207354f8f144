/** So many numbers below the highest are remembered. spec: DGRAM-2 */
const WINDOW = 1024;

/** Which datagrams of one member have come: of several copies only the first counts. */
export class ReceivedDatagrams {
  readonly #seen = new Uint8Array(WINDOW);
  #highest = -1;

  /** The highest number so far; -1 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Whether this is the first copy of a number that is not too old. */
  accept(number: number): boolean {
    if (number <= this.#highest - WINDOW) return false;
    // The numbers in between have not come; their places belonged to older ones.
    const from = Math.max(this.#highest + 1, number - WINDOW + 1);
    for (let next = from; next <= number; next += 1) this.#seen[next % WINDOW] = 0;
    this.#highest = Math.max(this.#highest, number);
    const place = number % WINDOW;
    if (this.#seen[place] === 1) return false;
    this.#seen[place] = 1;
    return true;
  }
}
