/** Counts what is open, per client and in total, within limits. */
export class ClientQuota {
  readonly #maxTotal: number;
  readonly #maxPerClient: number;
  readonly #what: string;
  readonly #clients = new Map<string, number>();
  #total = 0;

  /** `what` is what is counted, for messages. */
  constructor(maxTotal: number, maxPerClient: number, what = "connections") {
    this.#what = what;
    this.#maxTotal = maxTotal;
    this.#maxPerClient = maxPerClient;
  }

  get total(): number {
    return this.#total;
  }

  /** Takes one; the reason if none is left. Each that was taken is given back once. */
  take(client: string): string | undefined {
    const count = this.#clients.get(client) ?? 0;
    if (count >= this.#maxPerClient) return `you have ${count} ${this.#what} open, and that is the limit`;
    if (this.#total >= this.#maxTotal) return `the gateway has as many ${this.#what} open as it may`;
    this.#clients.set(client, count + 1);
    this.#total += 1;
    return undefined;
  }

  giveBack(client: string): void {
    const count = this.#clients.get(client) ?? 0;
    if (count <= 1) this.#clients.delete(client);
    else this.#clients.set(client, count - 1);
    this.#total -= 1;
  }
}
