import { parseIp } from "./ip-address.ts";

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * What limits of one client's network count by: the first 24 bits of an IPv4 address, the first 64 of an IPv6 address, as text. Takes "host:port" or a host;
 * an IPv4 address in IPv6's notation is one of IPv4. What is no address counts by itself.
 */
export function prefixOf(remoteAddress: string): string {
  const host = hostOf(remoteAddress);
  const ip = parseIp(host);
  if (ip === undefined) return host;
  if (ip.length === 4) return `${ip[0]}.${ip[1]}.${ip[2]}.0/24`;
  if (MAPPED.every((byte, index) => ip[index] === byte)) return `${ip[12]}.${ip[13]}.${ip[14]}.0/24`;
  return `${groupsOf(ip, 4)}::/64`;
}

/** What one customer has at most who has many networks: the first 48 bits of an IPv6 address, as text. Undefined for anything else. */
export function siteOf(remoteAddress: string): string | undefined {
  const ip = parseIp(hostOf(remoteAddress));
  if (ip === undefined || ip.length === 4 || MAPPED.every((byte, index) => ip[index] === byte)) return undefined;
  return `${groupsOf(ip, 3)}::/48`;
}

function groupsOf(ip: Uint8Array, count: number): string {
  const groups = Array.from({ length: count }, (_, index) => ((ip[index * 2] as number) << 8) | (ip[index * 2 + 1] as number));
  return groups.map((group) => group.toString(16)).join(":");
}

/** The host of "host:port", or the text itself. The host may have a zone, as link-local addresses do. */
export function hostOf(remoteAddress: string): string {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(remoteAddress);
  return match?.[1] ?? match?.[2] ?? remoteAddress;
}
