import { isIP } from "node:net";
import type { TunnelAddress } from "@kwik/tunnel";

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const VERSION_2_PROXY = 0x21;
const VERSION_2_LOCAL = 0x20;
const TCP4 = 0x11;
const TCP6 = 0x21;

/**
 * The header of the PROXY protocol, version 2, that tells a target who its client is. Addresses of two kinds are both written as IPv6; a source that is not known makes
 * it a header that says nothing (LOCAL).
 */
export function proxyHeader(source: TunnelAddress | undefined, destination: TunnelAddress): Uint8Array {
  if (source === undefined) return Uint8Array.of(...SIGNATURE, VERSION_2_LOCAL, 0, 0, 0);
  const isIpv4 = isIP(source.host) === 4 && isIP(destination.host) === 4;
  const addressBytes = isIpv4 ? 4 : 16;
  const bodyBytes = 2 * addressBytes + 4;
  const header = new Uint8Array(SIGNATURE.length + 4 + bodyBytes);
  const view = new DataView(header.buffer);
  header.set(SIGNATURE);
  header.set([VERSION_2_PROXY, isIpv4 ? TCP4 : TCP6], 12);
  view.setUint16(14, bodyBytes);
  header.set(isIpv4 ? ipv4Bytes(source.host) : ipv6Bytes(source.host), 16);
  header.set(isIpv4 ? ipv4Bytes(destination.host) : ipv6Bytes(destination.host), 16 + addressBytes);
  view.setUint16(16 + 2 * addressBytes, source.port);
  view.setUint16(18 + 2 * addressBytes, destination.port);
  return header;
}

function ipv4Bytes(ip: string): number[] {
  return ip.split(".").map(Number);
}

/** IPv4 is written as a mapped address. */
function ipv6Bytes(ip: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const dotted = /(\d+\.\d+\.\d+\.\d+)$/.exec(ip)?.[1];
  if (isIP(ip) === 4) {
    bytes.set([0xff, 0xff, ...ipv4Bytes(ip)], 10);
    return bytes;
  }
  const [low = 0, lower = 0] = dotted === undefined ? [] : pairs(ipv4Bytes(dotted));
  const groups = ip.replace(/%.*$/, "").replace(dotted ?? "%", `${low.toString(16)}:${lower.toString(16)}`);
  const [head = "", tail = ""] = groups.split("::", 2);
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const view = new DataView(bytes.buffer);
  const zeros = new Array<string>(8 - before.length - after.length).fill("0");
  for (const [index, group] of [...before, ...zeros, ...after].entries()) view.setUint16(index * 2, Number.parseInt(group, 16));
  return bytes;
}

function pairs([a = 0, b = 0, c = 0, d = 0]: readonly number[]): [number, number] {
  return [(a << 8) | b, (c << 8) | d];
}
