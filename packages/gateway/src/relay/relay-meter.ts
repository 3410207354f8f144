import type { RelayClientStats } from "./relay-event.ts";

/** Clients whose numbers are kept, at most; of those without a link the one that was silent longest goes first. */
const MAX_CLIENTS = 1_000;

interface Counters {
  links: number;
  openedTotal: number;
  sentBytes: number;
  receivedBytes: number;
}

/** Counts the bytes of one link as they pass. */
export interface LinkMeter {
  sent(bytes: number): void;
  received(bytes: number): void;
  /** The link is over; to be called once. */
  closed(): void;
}

/** Counts what a relay carries, of each client and in all. */
export class RelayMeter {
  readonly total: Counters = { links: 0, openedTotal: 0, sentBytes: 0, receivedBytes: 0 };
  readonly #clients = new Map<string, Counters>();

  open(client: string): LinkMeter {
    const counters = [this.total, this.#of(client)];
    for (const each of counters) {
      each.links += 1;
      each.openedTotal += 1;
    }
    return {
      sent: (bytes) => {
        for (const each of counters) each.sentBytes += bytes;
      },
      received: (bytes) => {
        for (const each of counters) each.receivedBytes += bytes;
      },
      closed: () => {
        for (const each of counters) each.links -= 1;
      },
    };
  }

  clients(): RelayClientStats[] {
    return [...this.#clients].map(([client, counters]) => ({ client, ...counters }));
  }

  #of(client: string): Counters {
    const counters = this.#clients.get(client) ?? { links: 0, openedTotal: 0, sentBytes: 0, receivedBytes: 0 };
    // Last touched, last in the map.
    this.#clients.delete(client);
    this.#clients.set(client, counters);
    if (this.#clients.size > MAX_CLIENTS) this.#forgetOne();
    return counters;
  }

  #forgetOne(): void {
    for (const [client, { links }] of this.#clients) {
      if (links > 0) continue;
      this.#clients.delete(client);
      return;
    }
  }
}
