import { BrokenInvariant } from "./stream-request.ts";

/** Numbers of which none may come twice. */
export class OnceOnly {
  readonly #what: string;
  readonly #seen = new Set<number>();

  constructor(what: string) {
    this.#what = what;
  }

  add(number: number): void {
    if (this.#seen.has(number)) throw new BrokenInvariant(`${this.#what} with number ${number} came twice`);
    this.#seen.add(number);
  }
}
