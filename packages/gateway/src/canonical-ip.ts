import { isIP } from "node:net";

/** An IP address in the one form in which systems write it; IPv4 that is mapped into IPv6 as IPv4, which is what it leads to. Other texts stay. */
export function canonicalIp(text: string): string {
  if (isIP(text) !== 6) return text;
  // The URL parser writes IPv6 as RFC 5952 says, but for dotted tails.
  const ip = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(ip);
  if (mapped === null) return ip;
  const [high, low] = [Number.parseInt(mapped[1] as string, 16), Number.parseInt(mapped[2] as string, 16)];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}
