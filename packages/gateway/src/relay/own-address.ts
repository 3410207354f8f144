import { networkInterfaces } from "node:os";
import type { TunnelAddress } from "@kwik/tunnel";

const UNSPECIFIED = new Set(["0.0.0.0", "::"]);

/** Whether connections to an IP address and port come out where `bound` listens. */
export function leadsTo(bound: TunnelAddress, ip: string, port: number): boolean {
  if (port !== bound.port) return false;
  const address = plain(ip);
  if (!UNSPECIFIED.has(bound.host)) return address === plain(bound.host);
  if (UNSPECIFIED.has(address) || address.startsWith("127.") || address === "::1") return true;
  return Object.values(networkInterfaces()).some((entries) => entries?.some((entry) => entry.address === address));
}

function plain(ip: string): string {
  return ip
    .toLowerCase()
    .replace(/%.*$/, "")
    .replace(/^::ffff:(?=\d+\.)/, "");
}
