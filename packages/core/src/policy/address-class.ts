import { type IpBytes, parseIp } from "./ip-address.ts";

/** What kind of place an IP address is. */
export type AddressClass =
  | "public"
  | "loopback"
  | "private"
  | "link-local"
  | "reserved"
  | "metadata"
  | "multicast"
  | "broadcast"
  | "unspecified";

interface Prefix {
  readonly bytes: IpBytes;
  readonly bits: number;
  readonly class: AddressClass;
}

// The first match wins, so the narrow ranges stand before the wide ones around them.
// Ranges: IANA special-purpose registries for IPv4 and IPv6; metadata services: the large clouds' documentation.
const ipv4Ranges = prefixes([
  ["169.254.169.0/24", "metadata"], // EC2, GCP, Azure, OpenStack, and their DNS and time siblings
  ["169.254.170.0/24", "metadata"], // ECS and EKS task credentials
  ["169.254.0.23/32", "metadata"], // Tencent
  ["169.254.42.42/32", "metadata"], // Scaleway
  ["100.100.100.200/32", "metadata"], // Alibaba
  ["168.63.129.16/32", "metadata"], // Azure's host agent, a public-looking address
  ["192.0.0.192/32", "metadata"], // Oracle, old form
  ["0.0.0.0/32", "unspecified"],
  ["0.0.0.0/8", "reserved"],
  ["127.0.0.0/8", "loopback"],
  ["10.0.0.0/8", "private"],
  ["172.16.0.0/12", "private"],
  ["192.168.0.0/16", "private"],
  ["100.64.0.0/10", "private"],
  ["169.254.0.0/16", "link-local"],
  ["192.0.0.0/24", "reserved"],
  ["192.0.2.0/24", "reserved"],
  ["198.51.100.0/24", "reserved"],
  ["203.0.113.0/24", "reserved"],
  ["192.88.99.0/24", "reserved"],
  ["198.18.0.0/15", "reserved"],
  ["224.0.0.0/4", "multicast"],
  ["255.255.255.255/32", "broadcast"],
  ["240.0.0.0/4", "reserved"],
]);

const ipv6Ranges = prefixes([
  ["fd00:ec2::/32", "metadata"],
  ["fd20:ce::/32", "metadata"],
  ["fd00:42::42/128", "metadata"], // Scaleway
  ["fe80::a9fe:a9fe/128", "metadata"], // OpenStack
  ["::/128", "unspecified"],
  ["::1/128", "loopback"],
  ["fc00::/7", "private"],
  ["fec0::/10", "private"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
  ["2001::/23", "reserved"],
  ["2001:db8::/32", "reserved"],
  ["3fff::/20", "reserved"],
  ["2000::/3", "public"],
]);

/** Where an IPv6 address carries an IPv4 address that the packets end at, and at which byte. */
const embeddings: readonly { readonly prefix: Prefix; readonly at: number }[] = [
  { prefix: prefix("::ffff:0:0/96", "public"), at: 12 }, // mapped
  { prefix: prefix("::ffff:0:0:0/96", "public"), at: 12 }, // translated
  { prefix: prefix("::/96", "public"), at: 12 }, // compatible; :: and ::1 are asked before
  { prefix: prefix("64:ff9b::/96", "public"), at: 12 }, // NAT64
  { prefix: prefix("64:ff9b:1::/48", "private"), at: 12 }, // NAT64 of a site
  { prefix: prefix("2002::/16", "public"), at: 2 }, // 6to4
];

const isatapMarker = [0x5e, 0xfe];

/** The class of an IP address given as bytes. An address that carries another is at least as special as the carried one. */
export function classOf(ip: IpBytes): AddressClass {
  if (ip.length === 4) return firstMatch(ipv4Ranges, ip) ?? "public";
  if (isAllZeroBefore(ip, 15) && (ip[15] as number) < 2) return ip[15] === 1 ? "loopback" : "unspecified";
  for (const { prefix: range, at } of embeddings) {
    if (!matches(range, ip)) continue;
    const carried = classOf(ip.subarray(at, at + 4));
    return carried === "public" ? range.class : carried;
  }
  const own = firstMatch(ipv6Ranges, ip) ?? "reserved";
  // ISATAP: any prefix, then 0:5efe or 200:5efe, then an IPv4 address.
  if (own === "public" && ((ip[8] as number) & 0xfd) === 0 && ip[9] === 0 && ip[10] === isatapMarker[0] && ip[11] === isatapMarker[1]) {
    return classOf(ip.subarray(12));
  }
  return own;
}

function firstMatch(ranges: readonly Prefix[], ip: IpBytes): AddressClass | undefined {
  for (const range of ranges) if (matches(range, ip)) return range.class;
  return undefined;
}

function matches(range: Prefix, ip: IpBytes): boolean {
  const whole = range.bits >> 3;
  for (let i = 0; i < whole; i += 1) if (ip[i] !== range.bytes[i]) return false;
  const rest = range.bits & 7;
  return rest === 0 || ((ip[whole] as number) ^ (range.bytes[whole] as number)) >> (8 - rest) === 0;
}

function isAllZeroBefore(ip: IpBytes, end: number): boolean {
  for (let i = 0; i < end; i += 1) if (ip[i] !== 0) return false;
  return true;
}

function prefixes(rows: readonly (readonly [string, AddressClass])[]): readonly Prefix[] {
  return rows.map(([text, name]) => prefix(text, name));
}

function prefix(text: string, name: AddressClass): Prefix {
  const [address, bits] = text.split("/");
  return { bytes: parseIp(address as string) as IpBytes, bits: Number(bits), class: name };
}
