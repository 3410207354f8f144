import { isIP } from "node:net";
import type { TunnelAddress } from "@kwik/tunnel";
import { canonicalIp } from "./canonical-ip.ts";
import { isOwnAddress } from "./own-addresses.ts";
import { type AddressKind, kindOfAddress, parseTargetRule, type TargetRule } from "./target-rule.ts";

/** Resolves a name to IP addresses; rejects if it has none. */
export type NameResolver = (name: string) => Promise<readonly string[]>;

export type Verdict =
  /** Exactly these addresses may be connected to, without asking for the name again. */
  | { readonly allowed: true; readonly ips: readonly string[] }
  | { readonly allowed: false; readonly refusal: "not-allowed" | "name-not-found"; readonly reason: string };

/** What clients may reach. Without a rule: nothing. */
export class AllowList {
  readonly #rules: readonly TargetRule[];
  readonly #isOwn: (ip: string) => boolean;

  /** Rules as `parseTargetRule` reads them; `isOwn` says which addresses are this machine's. Throws INVALID_ARGUMENT. */
  constructor(rules: readonly string[], isOwn: (ip: string) => boolean = isOwnAddress) {
    this.#rules = rules.map(parseTargetRule);
    this.#isOwn = isOwn;
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  has(protocol: "tcp" | "udp"): boolean {
    return this.#rules.some((rule) => rule.protocol === protocol);
  }

  /**
   * Whether a target is on the list, and where it is. A name has to be there as a name, and what it resolves to has to be public, or there as an address: so no
   * name leads to a place that was not named. Names that are not on the list are not resolved. `localhost` may be loopback if the list has that very name.
   */
  async check(protocol: "tcp" | "udp", target: TunnelAddress, resolve: NameResolver): Promise<Verdict> {
    const rules = this.#rulesFor(protocol, target.port);
    if (isIP(target.host) !== 0) {
      const ip = canonicalIp(target.host);
      return this.#allows(rules, ip) ? { allowed: true, ips: [ip] } : refused(`${target.host} port ${target.port} is not on the list`);
    }
    const name = target.host.toLowerCase().replace(/\.$/, "");
    // What some resolver takes for a number would pass by the rules of addresses.
    if (name.includes(":") || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(name)) return refused(`${target.host} is neither a name nor an address`);
    if (!rules.some((rule) => rule.matchesName(name))) return refused(`${target.host} port ${target.port} is not on the list`);
    let ips: readonly string[];
    try {
      ips = await resolve(name);
    } catch {
      return { allowed: false, refusal: "name-not-found", reason: `${target.host} does not resolve` };
    }
    const isLoopback = rules.some((rule) => rule.isLocalhost) && name === "localhost";
    const allowed = ips
      .map(canonicalIp)
      .filter((ip) => this.#kindOf(ip) === "public" || this.#allows(rules, ip) || (isLoopback && isLoopbackIp(ip)));
    return allowed.length > 0
      ? { allowed: true, ips: allowed }
      : refused(`${target.host} leads to an address that is not public and not on the list`);
  }

  /** Whether a target is on the list by its name. */
  namesHost(protocol: "tcp" | "udp", { host, port }: TunnelAddress): boolean {
    const name = host.toLowerCase().replace(/\.$/, "");
    return isIP(host) === 0 && this.#rulesFor(protocol, port).some((rule) => rule.matchesName(name));
  }

  /** Whether an IP address is on the list by its number, or as a public one by `*`. */
  allowsAddress(protocol: "tcp" | "udp", { host, port }: TunnelAddress): boolean {
    return this.#allows(this.#rulesFor(protocol, port), canonicalIp(host));
  }

  #allows(rules: readonly TargetRule[], ip: string): boolean {
    const kind = this.#kindOf(ip);
    return rules.some((rule) => rule.matchesAddress(ip, kind));
  }

  /** An address of this machine is as private as loopback: what listens there may count on being behind a firewall. */
  #kindOf(ip: string): AddressKind {
    const kind = kindOfAddress(ip);
    return kind === "public" && this.#isOwn(ip) ? "private" : kind;
  }

  #rulesFor(protocol: "tcp" | "udp", port: number): TargetRule[] {
    return this.#rules.filter((rule) => rule.protocol === protocol && rule.ports.from <= port && port <= rule.ports.to);
  }
}

/** RFC 6761: `localhost` is loopback everywhere. */
function isLoopbackIp(ip: string): boolean {
  return ip === "::1" || ip.startsWith("127.");
}

function refused(reason: string): Verdict {
  return { allowed: false, refusal: "not-allowed", reason };
}
