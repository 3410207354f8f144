/** So many of the highest numbers are remembered, at least; twice as many at most. spec: RAW-2 */
const REMEMBERED = 1024;

/** Which of a peer's growing numbers came, in bounded memory: of one that is too old it is said that nobody knows. */
export class SeenNumbers {
  readonly #seen = new Set<number>();
  /** Numbers up to this one are forgotten. */
  #forgottenTo = -1;

  /** A number came: for the first time, as one that came before, or as one that may have. */
  take(number: number): "new" | "before" | "forgotten" {
    if (this.#seen.has(number)) return "before";
    if (number <= this.#forgottenTo) return "forgotten";
    this.#seen.add(number);
    if (this.#seen.size >= 2 * REMEMBERED) this.#forget();
    return "new";
  }

  #forget(): void {
    const ascending = [...this.#seen].sort((a, b) => a - b);
    for (const number of ascending.slice(0, ascending.length - REMEMBERED)) {
      this.#seen.delete(number);
      this.#forgottenTo = number;
    }
  }
}
