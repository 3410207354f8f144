/** What may be sent under a limit that the other side raises: connection credit. Counts in bytes. spec: CREDIT-1 */
export class SendCredit {
  #limit: number;
  #used = 0;
  #reportedLimit = -1;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The sum that may be sent altogether. */
  get limit(): number {
    return this.#limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Bytes that may be sent now. */
  get available(): number {
    return this.#limit - this.#used;
  }

  get isBlocked(): boolean {
    return this.#used >= this.#limit;
  }

  /** Counts bytes as sent; more than available is a bug of the caller. */
  use(bytes: number): void {
    if (bytes > this.available) throw new Error(`${bytes} bytes sent with credit for ${this.available}`);
    this.#used += bytes;
  }

  /** A new limit arrived; a lower one is old news. Answers whether it grew. */
  raise(limit: number): boolean {
    if (limit <= this.#limit) return false;
    this.#limit = limit;
    return true;
  }

  /** The limit at which sending is stuck, once for each limit, to tell the other side. */
  takeBlocked(): number | undefined {
    if (!this.isBlocked || this.#reportedLimit === this.#limit) return undefined;
    this.#reportedLimit = this.#limit;
    return this.#limit;
  }
}
