import type { PathPolicy } from "../api/options.ts";
import { formatAddress, parseAddress, type ServerAddress } from "../transport/address.ts";
import { type AddressClass, classOf } from "./address-class.ts";
import { looksNumeric, parseIp } from "./ip-address.ts";

/** The rules for addresses that a server advertises: the application's, and what is known of the primary. */
export interface AddressPolicy extends PathPolicy {
  /** Whether the primary was itself dialled at a private, loopback or link-local address; decides where the application does not. */
  readonly primaryIsPrivate: boolean;
}

export type AddressVerdict =
  | {
      readonly allowed: true;
      /** The host is a name: what it resolves to MUST pass `checkResolved` before anything is sent there. */
      readonly mustResolve: boolean;
    }
  | { readonly allowed: false /** A sentence for the server and the log. */; readonly reason: string };

/**
 * Decides whether a client may send to an address that a server advertised. An advertised address is an order to send packets from
 * inside the client's network, so the rule is to refuse what the server could not reach itself.
 * Never throws: what cannot be read is refused. `policy.allow` is asked last, and a throw in it refuses.
 */
export function checkAddress(address: string, policy: AddressPolicy): AddressVerdict {
  const parsed = readAddress(address);
  if (parsed === undefined) return refused(`"${address.slice(0, 100)}" is not an address`);
  const { port } = parsed;
  if (isRefusedPort(port)) return refused(`port ${port} is not used for kwik`);
  const host = parsed.host.toLowerCase().replace(/\.$/, "");
  if (host.includes("%")) return refused(`${host} has a zone, which only the host that it was read on knows`);
  const ip = parseIp(host);
  if (ip === undefined) {
    const reason = nameRefusal(host, policy);
    if (reason !== undefined) return refused(reason);
  } else {
    const reason = classRefusal(classOf(ip), host, policy);
    if (reason !== undefined) return refused(reason);
  }
  return askApplication(parsed, policy) ?? { allowed: true, mustResolve: ip === undefined };
}

/**
 * Checks what a name resolved to; every address must pass, and exactly the checked addresses are to be dialled, without resolving
 * again: otherwise a name server could answer differently the second time.
 */
export function checkResolved(ips: readonly string[], policy: AddressPolicy): AddressVerdict {
  if (ips.length === 0) return refused("the name resolves to nothing");
  for (const text of ips) {
    const ip = parseIp(text);
    const reason = ip === undefined ? `"${text.slice(0, 100)}" is not an IP address` : classRefusal(classOf(ip), text, policy);
    if (reason !== undefined) return refused(reason);
  }
  return { allowed: true, mustResolve: false };
}

/**
 * Whether a host ("127.0.0.1", "fe80::1", "localhost") is private, loopback or link-local; what `primaryIsPrivate` wants to know.
 * For other names ask with the address that was really dialled.
 */
export function isPrivateHost(host: string): boolean {
  const ip = parseIp(host);
  if (ip === undefined) return isPrivateName(host.toLowerCase().replace(/\.$/, ""));
  const found = classOf(ip);
  return found === "private" || found === "loopback" || found === "link-local";
}

const neverAllowed: ReadonlySet<AddressClass> = new Set(["metadata", "multicast", "broadcast", "unspecified"]);

/** Whether a server may not have its clients dial this port, at whatever host. */
export function isRefusedPort(port: number): boolean {
  return refusedPorts.has(port);
}

/** Names of metadata services, whatever they resolve to. */
const metadataNames: ReadonlySet<string> = new Set([
  "metadata",
  "metadata.goog",
  "metadata.google.internal",
  "metadata.azure.com",
  "metadata.azure.internal",
  "metadata.tencentyun.com",
  "metadata.oraclecloud.com",
  "instance-data",
  "instance-data.ec2.internal",
]);

/** Last labels of names that mean something else in every network. */
const privateSuffixes = ["localhost", "local", "internal", "localdomain", "lan", "home.arpa"] as const;

/**
 * Ports of services that answer or act on a stray UDP packet, or take the first bytes of a stranger's TCP connection for commands: the list of ports that browsers do
 * not connect to (Fetch standard), and those of databases and of machines' own control. A server must not be able to aim its clients at them. 0 is no port.
 */
const refusedPorts: ReadonlySet<number> = new Set([
  // answer UDP
  0, 7, 13, 17, 19, 53, 67, 68, 69, 111, 123, 137, 138, 161, 162, 177, 389, 427, 500, 514, 520, 623, 1434, 1701, 1900, 3478, 3702, 4500,
  5060, 5350, 5351, 5353, 5355, 5683, 11211,
  // browsers
  1, 9, 11, 15, 20, 21, 22, 23, 25, 37, 42, 43, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 113, 115, 117, 119, 135, 139, 143, 179, 465,
  512, 513, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190,
  5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
  // databases, caches, and what controls containers and machines
  445, 1433, 1521, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 5900, 5985, 5986, 6379, 6443, 9200, 9300, 10250, 10255, 27017,
]);

function readAddress(address: string): ServerAddress | undefined {
  if (address.length > 300) return undefined;
  try {
    return parseAddress(address);
  } catch {
    return undefined;
  }
}

function nameRefusal(host: string, policy: AddressPolicy): string | undefined {
  if (looksNumeric(host)) return `"${host}" is neither an IP address nor a name`;
  // Other alphabets arrive as punycode; raw, a resolver may fold them into digits and dots after this check.
  if (host.length > 253 || !/^(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(host))
    return `"${host.slice(0, 100)}" is not a host name`;
  if (metadataNames.has(host)) return `${host} is a metadata service`;
  return isPrivateName(host) && !allowsPrivate(policy)
    ? `${host} is a private name, and the policy does not allow private addresses`
    : undefined;
}

function isPrivateName(host: string): boolean {
  return privateSuffixes.some((suffix) => host === suffix || host.endsWith(`.${suffix}`));
}

function classRefusal(found: AddressClass, host: string, policy: AddressPolicy): string | undefined {
  if (found === "public") return undefined;
  if (neverAllowed.has(found)) return `${host} is a ${found} address; those are never dialled for a server`;
  return allowsPrivate(policy) ? undefined : `${host} is a ${found} address, and the policy does not allow private addresses`;
}

function allowsPrivate(policy: AddressPolicy): boolean {
  return policy.allowPrivateAddresses ?? policy.primaryIsPrivate;
}

function askApplication(address: ServerAddress, policy: AddressPolicy): AddressVerdict | undefined {
  if (policy.allow === undefined) return undefined;
  const text = formatAddress(address);
  try {
    return policy.allow(text) ? undefined : refused(`the application's policy refused ${text}`);
  } catch {
    return refused(`the application's policy failed on ${text}`);
  }
}

function refused(reason: string): AddressVerdict {
  return { allowed: false, reason };
}
