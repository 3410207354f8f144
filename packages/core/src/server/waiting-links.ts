import type { LinkAdmission } from "./link-admission.ts";
import { limitReached } from "./refusal.ts";

/** When the one that held most may come again, in milliseconds. */
const RETRY_MS = 1_000;

/**
 * Links that belong to no session yet. Their number is bounded, the oldest makes room; and so is what is held of them, of which whoever holds most is
 * refused: those that mean it are done soon, and have said little.
 */
export class WaitingLinks {
  readonly #maxLinks: number;
  readonly #maxBytes: number;
  readonly #admissions = new Set<LinkAdmission>();
  #bytes = 0;

  constructor(maxLinks: number, maxBytes: number) {
    this.#maxLinks = maxLinks;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#admissions.size;
  }

  [Symbol.iterator](): IterableIterator<LinkAdmission> {
    return this.#admissions.values();
  }

  add(admission: LinkAdmission): void {
    this.#admissions.add(admission);
    if (this.#admissions.size <= this.#maxLinks) return;
    const [oldest] = this.#admissions;
    oldest?.refuse(
      limitReached("connections", `more than ${this.#maxLinks} connections wait to be admitted, and this is the oldest`, RETRY_MS),
    );
  }

  /** More has come on one of them. spec: CARRIER-5 */
  held(admission: LinkAdmission, bytes: number): void {
    if (!this.#admissions.has(admission)) return;
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) {
      let most = admission;
      for (const other of this.#admissions) if (other.heldBytes > most.heldBytes) most = other;
      // Goes out of here by it.
      most.refuse(limitReached("held-bytes", "too much was sent before this server knew from whom", RETRY_MS));
      if (this.#admissions.has(most)) return;
    }
  }

  /** It belongs to a session now, or is gone. */
  delete(admission: LinkAdmission): void {
    if (this.#admissions.delete(admission)) this.#bytes -= admission.heldBytes;
  }
}
