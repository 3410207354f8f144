/** A process of the server, as the others know it. */
export interface ProcessLoad {
  readonly port: number;
  /** Sessions that are open there. */
  readonly sessions: number;
}

/** A process sends sessions on when it has so many more than another one: each costs its client a round trip and a handshake. */
const MIN_EXCESS = 4;
/** … or so large a part more, if that is more. */
const EXCESS_SHARE = 1 / 8;
/** Who was sent on and has not arrived by then went elsewhere, in milliseconds. */
const ARRIVAL_MS = 5_000;

/** Where a new session of one process of several is to begin: here, unless another process has clearly less to do. */
export class SessionSpread {
  readonly #now: () => number;
  #others: readonly ProcessLoad[] = [];
  /** Sessions that were sent on and are not counted there yet, the oldest first. */
  #underWay: { readonly port: number; readonly atMs: number }[] = [];

  /** `now` is a monotonic clock in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The other processes that take sessions now. */
  update(others: readonly ProcessLoad[]): void {
    for (const { port, sessions } of others) {
      // As many have arrived as there are more; it does not matter who.
      let arrived = sessions - (this.#others.find((one) => one.port === port)?.sessions ?? 0);
      this.#underWay = this.#underWay.filter((one) => one.port !== port || --arrived < 0);
    }
    this.#others = others;
  }

  /** The port of the process that is to take one more; undefined for this one, which has `sessions`. */
  choose(sessions: number): number | undefined {
    const now = this.#now();
    this.#underWay = this.#underWay.filter(({ atMs }) => now - atMs < ARRIVAL_MS);
    let least: ProcessLoad | undefined;
    for (const { port, sessions: reported } of this.#others) {
      const load = reported + this.#underWay.filter((one) => one.port === port).length;
      if (least === undefined || load < least.sessions) least = { port, sessions: load };
    }
    if (least === undefined || sessions - least.sessions < Math.max(MIN_EXCESS, least.sessions * EXCESS_SHARE)) return undefined;
    this.#underWay.push({ port: least.port, atMs: now });
    return least.port;
  }
}
