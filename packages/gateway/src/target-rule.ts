import { BlockList, isIP } from "node:net";
import { checkResolved, KwikError } from "@kwik/core";
import { canonicalIp } from "./canonical-ip.ts";

/** Widest ranges that reach private addresses, in bits of prefix: 10.0.0.0/8 and fc00::/7. Wider ones mean public addresses only. */
const MIN_PRIVATE_PREFIX_BITS = { 4: 8, 6: 7 } as const;

/** Whom an address belongs to; "special" are those that nobody connects to by accident: metadata services, unspecified, multicast, broadcast. */
export type AddressKind = "public" | "private" | "special";

/** The kind of an IP address; private are also loopback, link-local and reserved ones. */
export function kindOfAddress(ip: string): AddressKind {
  if (checkResolved([ip], { primaryIsPrivate: false, allowPrivateAddresses: false }).allowed) return "public";
  return checkResolved([ip], { primaryIsPrivate: true, allowPrivateAddresses: true }).allowed ? "private" : "special";
}

/** One line of an allow-list. */
export interface TargetRule {
  readonly protocol: "tcp" | "udp";
  /** Whether a name (lower case, no dot at the end) is on this line. */
  matchesName(name: string): boolean;
  /** Whether an IP address is on this line by its number; `kind` is its kind. */
  matchesAddress(ip: string, kind: AddressKind): boolean;
  /** Whether it is the name `localhost`, and no pattern that fits it too. */
  readonly isLocalhost: boolean;
  readonly ports: { readonly from: number; readonly to: number };
  /** As it was written. */
  readonly text: string;
}

/**
 * Reads `[udp/]HOST:PORTS`. HOST is a name, `*.name` for everything below a name, an address, a range `10.0.0.0/8` (IPv6 in brackets, `[fd00::/8]`), or `*`
 * for all names and public addresses. PORTS is a number, `from-to`, or `*`. Throws INVALID_ARGUMENT.
 */
export function parseTargetRule(text: string): TargetRule {
  const match = /^(?:(tcp|udp)\/)?(?:\[([0-9a-fA-F:./]+)\]|([^:[\]\s]+)):(\*|\d{1,5}(?:-\d{1,5})?)$/.exec(text.trim());
  if (match === null) throw wrong(text, "write HOST:PORT, 10.0.0.0/8:5432, *.example.org:80-90 or udp/1.1.1.1:53, IPv6 in brackets");
  const [, protocol = "tcp", bracketed, plain = "", ports = ""] = match;
  const host = (bracketed ?? plain).toLowerCase().replace(/(?<=[a-z0-9])\.$/, "");
  const matchers = addressMatcher(text, host) ?? nameMatcher(text, host);
  return { protocol: protocol as "tcp" | "udp", ports: portsOf(text, ports), text, isLocalhost: host === "localhost", ...matchers };
}

type Matchers = Pick<TargetRule, "matchesName" | "matchesAddress">;

function addressMatcher(text: string, host: string): Matchers | undefined {
  const [written = "", bits, ...more] = host.split("/");
  const address = bits === undefined ? canonicalIp(written) : written;
  const family = isIP(address);
  if (family !== 4 && family !== 6) {
    if (host.includes("/")) throw wrong(text, "a range is an address and the bits of its prefix, 10.0.0.0/8");
    return undefined;
  }
  const maxBits = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? maxBits : Number(bits);
  if (more.length > 0 || !/^\d{1,3}$/.test(bits ?? "0") || prefix > maxBits)
    throw wrong(text, `a prefix of this kind of address has 0 to ${maxBits} bits`);
  const range = new BlockList();
  range.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  return {
    matchesName: () => false,
    matchesAddress: (ip, kind) => {
      if (kind === "special" && prefix < maxBits) return false;
      if (kind === "private" && prefix < MIN_PRIVATE_PREFIX_BITS[family]) return false;
      return range.check(ip, isIP(ip) === 6 ? "ipv6" : "ipv4");
    },
  };
}

function nameMatcher(text: string, host: string): Matchers {
  if (host === "*") return { matchesName: () => true, matchesAddress: (_ip, kind) => kind === "public" };
  const isBelow = host.startsWith("*.");
  const name = isBelow ? host.slice(1) : host;
  if (!/^\.?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name) || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(name))
    throw wrong(text, `"${host}" is neither a name nor an address`);
  return { matchesName: isBelow ? (asked) => asked.endsWith(name) : (asked) => asked === name, matchesAddress: () => false };
}

function portsOf(text: string, ports: string): TargetRule["ports"] {
  if (ports === "*") return { from: 1, to: 65_535 };
  const [from = 0, to = from] = ports.split("-").map(Number);
  const range = { from, to };
  if (range.from < 1 || range.to > 65_535 || range.from > range.to) throw wrong(text, "ports are 1 to 65535, the lower one first");
  return range;
}

function wrong(text: string, advice: string): KwikError {
  return new KwikError("INVALID_ARGUMENT", `"${text.slice(0, 200)}" is no target: ${advice}`);
}
