import type { TunnelAddress } from "@kwik/tunnel";
import { canonicalIp } from "../canonical-ip.ts";
import { isOwnAddress } from "../own-addresses.ts";

const UNSPECIFIED = new Set(["0.0.0.0", "::"]);

/** Whether connections to an IP address and port come out where `bound` listens. */
export function leadsTo(bound: TunnelAddress, ip: string, port: number): boolean {
  if (port !== bound.port) return false;
  const address = canonicalIp(ip);
  if (!UNSPECIFIED.has(bound.host)) return address === canonicalIp(bound.host);
  return UNSPECIFIED.has(address) || address.startsWith("127.") || isOwnAddress(address);
}
