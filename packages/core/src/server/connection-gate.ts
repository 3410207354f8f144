import { RateLimit } from "@kwik/proto";
import type { ListenerLimits } from "../api/listener-limits.ts";
import { hostOf, prefixOf, siteOf } from "../policy/address-prefix.ts";
import type { AddressRange } from "../policy/address-range.ts";
import { CheckTurns, type Waiting } from "./check-turns.ts";
import { limitReached, type Refusal } from "./refusal.ts";
import { RateTable } from "./rate-table.ts";

/** When a place may be free again, in milliseconds: nobody knows, so not at once. */
const PLACE_RETRY_MS = 5_000;

/**
 * How much of a listener one network, one site of many networks, and all together may have: handshakes, paths, sessions, failed checks. Every question takes what it asks for if the
 * answer is undefined. Connections from `proxies` are limited in all only: they are many clients. docs/decisions/0027-limits-of-a-listener.md
 */
export class ConnectionGate {
  readonly #limits: ListenerLimits;
  readonly #now: () => number;
  readonly #proxies: readonly AddressRange[];
  readonly #handshakes: RateLimit;
  readonly #handshakesOf: RateTable;
  readonly #handshakesOfSite: RateTable;
  /** Of prefixes that have a session here: what each of them gets before the others of them. */
  readonly #handshakesOfServed: RateTable;
  readonly #pathsOf: RateTable;
  readonly #checksOf: CheckTurns;
  readonly #sessionsOf = new Map<string, number>();
  #sessions = 0;

  constructor(limits: ListenerLimits, now: () => number, proxies: readonly AddressRange[] = []) {
    this.#limits = limits;
    this.#now = now;
    this.#proxies = proxies;
    const { maxPrefixes } = limits;
    this.#handshakes = new RateLimit({ perSecond: limits.handshakesPerSecond, burst: limits.handshakeBurst });
    this.#handshakesOf = new RateTable(
      { perSecond: limits.handshakesPerSecondPerPrefix, burst: limits.handshakeBurstPerPrefix },
      maxPrefixes,
    );
    this.#handshakesOfSite = new RateTable(
      {
        perSecond: Math.max(limits.handshakesPerSecondPerSite, limits.handshakesPerSecondPerPrefix),
        burst: Math.max(limits.handshakeBurstPerSite, limits.handshakeBurstPerPrefix),
      },
      maxPrefixes,
    );
    this.#handshakesOfServed = new RateTable(
      { perSecond: limits.handshakesPerSecondPerServedPrefix, burst: limits.handshakeBurstPerServedPrefix },
      maxPrefixes,
    );
    this.#pathsOf = new RateTable({ perSecond: limits.pathsPerSecondPerPrefix, burst: limits.pathBurstPerPrefix }, maxPrefixes);
    const perMinute = limits.failedChecksPerMinutePerPrefix;
    this.#checksOf = new CheckTurns(new RateTable({ perSecond: perMinute / 60, burst: perMinute }, maxPrefixes), perMinute, now);
  }

  /** A connection has come. */
  handshake(remoteAddress: string): Refusal | undefined {
    const now = this.#now();
    const prefix = this.networkOf(remoteAddress);
    // The prefix first: what it has too much of is not to be paid by the others.
    const ofPrefix = prefix === undefined ? undefined : this.#handshakesOf.take(prefix, now);
    if (ofPrefix !== undefined) return limitReached("handshake-rate", `too many connections from ${prefix}`, ofPrefix);
    const reserves = prefix === undefined ? 0 : this.#reservesOf(prefix, now);
    const { handshakeBurst, handshakeBurstPerSite } = this.#limits;
    const site = prefix === undefined ? undefined : siteOf(remoteAddress);
    const ofSite = site === undefined ? undefined : this.#handshakesOfSite.take(site, now, reserves * handshakeBurstPerSite);
    if (ofSite !== undefined) return limitReached("handshake-rate", `too many connections from ${site}`, ofSite);
    const inAll = this.#handshakes.take(now, reserves * handshakeBurst);
    return inAll === undefined ? undefined : limitReached("handshake-rate", "too many connections are being made to this server", inAll);
  }

  /**
   * How many bursts deep a prefix may go into what there is for its site and for all, beyond the one of everybody: whoever is served here comes back though strangers
   * use up theirs, and with a few at a time though others do that are served here as well.
   */
  #reservesOf(prefix: string, now: number): 0 | 1 | 2 {
    if (!this.#sessionsOf.has(prefix)) return 0;
    return this.#handshakesOfServed.take(prefix, now) === undefined ? 2 : 1;
  }

  /** A client wants to begin a path. */
  path(remoteAddress: string): Refusal | undefined {
    const prefix = this.networkOf(remoteAddress);
    const wait = prefix === undefined ? undefined : this.#pathsOf.take(prefix, this.#now());
    return wait === undefined ? undefined : limitReached("path-rate", `clients of ${prefix} begin too many paths`, wait);
  }

  /**
   * Somebody's credentials, ticket or proof are about to be checked. Waits while as many are being checked for its network as may be found wrong. If it
   * resolves with undefined, `checked` is to be told the outcome.
   */
  async check(remoteAddress: string, who: Waiting): Promise<Refusal | undefined> {
    const prefix = this.networkOf(remoteAddress);
    const wait = prefix === undefined ? undefined : await this.#checksOf.begin(prefix, who);
    return wait === undefined ? undefined : limitReached("failed-checks", `too much from ${prefix} was found wrong`, wait);
  }

  /** A check that `check` allowed is over. */
  checked(remoteAddress: string, isWrong: boolean): void {
    const prefix = this.networkOf(remoteAddress);
    if (prefix !== undefined) this.#checksOf.end(prefix, isWrong);
  }

  /** Something was found wrong that was checked without asking. */
  checkFailed(remoteAddress: string): void {
    const prefix = this.networkOf(remoteAddress);
    if (prefix !== undefined) this.#checksOf.failed(prefix);
  }

  /** A session is about to begin; `sessionEnded` gives its place back. */
  session(remoteAddress: string): Refusal | undefined {
    const { maxSessions, maxSessionsPerPrefix } = this.#limits;
    if (this.#sessions >= maxSessions)
      return limitReached("sessions", `this server has ${maxSessions} sessions, and takes no more`, PLACE_RETRY_MS);
    const prefix = this.networkOf(remoteAddress);
    if (prefix !== undefined) {
      const had = this.#sessionsOf.get(prefix) ?? 0;
      if (had >= maxSessionsPerPrefix)
        return limitReached("sessions", `clients of ${prefix} have ${maxSessionsPerPrefix} sessions here, and get no more`, PLACE_RETRY_MS);
      this.#sessionsOf.set(prefix, had + 1);
    }
    this.#sessions += 1;
    return undefined;
  }

  sessionEnded(remoteAddress: string): void {
    this.#sessions -= 1;
    const prefix = this.networkOf(remoteAddress);
    if (prefix === undefined) return;
    const left = (this.#sessionsOf.get(prefix) ?? 1) - 1;
    if (left > 0) this.#sessionsOf.set(prefix, left);
    else this.#sessionsOf.delete(prefix);
  }

  /** What clients are counted by; undefined for one that many clients come through. */
  networkOf(remoteAddress: string): string | undefined {
    const host = hostOf(remoteAddress);
    return this.#proxies.some((range) => range.contains(host)) ? undefined : prefixOf(host);
  }
}
