import type { TunnelRefusal } from "@kwik/tunnel";

export type Refuse = (refusal: TunnelRefusal, reason: string) => void;

/** A tunnel that was taken. */
export interface TakenTunnel {
  /** Ends it now; whoever serves it says how. */
  stop(): void;
}

export interface TunnelAdmissionOptions {
  readonly maxTotal: number;
  readonly maxPerClient: number;
  /** What is counted, for messages: "connections". */
  readonly what: string;
  /** What is said to those who come while it shuts down. */
  readonly draining: string;
}

/** Decides which tunnels are taken: so many at once of each client and in all, and none any more once it drains. */
export class TunnelAdmission {
  readonly #options: TunnelAdmissionOptions;
  readonly #ofClient = new Map<string, number>();
  readonly #taken = new Set<TakenTunnel>();
  #isDraining = false;
  #whenEmpty: (() => void)[] = [];

  constructor(options: TunnelAdmissionOptions) {
    this.#options = options;
  }

  /** Tunnels that are served now. */
  get total(): number {
    return this.#taken.size;
  }

  /** Serves a tunnel to its end and gives its place back, or refuses it. Rejects as `serve` does. */
  async run(client: string, refuse: Refuse, serve: (taken: TakenTunnel) => Promise<void>): Promise<void> {
    const refusal = this.#refusalOf(client);
    if (refusal !== undefined) {
      refuse(...refusal);
      return;
    }
    const taken: TakenTunnel = { stop: () => undefined };
    this.#taken.add(taken);
    this.#ofClient.set(client, this.#countOf(client) + 1);
    try {
      await serve(taken);
    } finally {
      this.#taken.delete(taken);
      const left = this.#countOf(client) - 1;
      if (left > 0) this.#ofClient.set(client, left);
      else this.#ofClient.delete(client);
      if (this.#taken.size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
    }
  }

  /** Refuses from now on. Resolves when no tunnel is left, or after `graceMs`, when those that are left were stopped and have ended. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    if (this.#taken.size === 0) return;
    const empty = new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
    const timer = setTimeout(() => {
      for (const taken of this.#taken) taken.stop();
    }, graceMs);
    await empty;
    clearTimeout(timer);
  }

  #countOf(client: string): number {
    return this.#ofClient.get(client) ?? 0;
  }

  #refusalOf(client: string): [TunnelRefusal, string] | undefined {
    const { maxTotal, maxPerClient, what, draining } = this.#options;
    if (this.#isDraining) return ["draining", draining];
    const count = this.#countOf(client);
    if (count >= maxPerClient) return ["limit", `you have ${count} ${what} open, and that is the limit`];
    return this.#taken.size >= maxTotal ? ["limit", `the gateway has as many ${what} open as it may`] : undefined;
  }
}
