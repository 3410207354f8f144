import { readdirSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";

/** IP and UDP headers, the smaller kind, in bytes. */
const HEADER_BYTES = 28;

const DEFAULT_MTU = 1500;

/** Whether packets to this address never leave the machine. */
export function isOwnAddress(address: string): boolean {
  const plain = address.replace(/^::ffff:/, "");
  if (plain.startsWith("127.") || plain === "::1") return true;
  for (const entries of Object.values(networkInterfaces())) {
    for (const entry of entries ?? []) if (entry.address === plain) return true;
  }
  return false;
}

/** The largest UDP payload that fits a packet of any network interface here, in bytes. */
export function largestUdpPayload(): number {
  return largestMtu() - HEADER_BYTES;
}

/** What to tell the operator when packets are larger than the network's. `boundHost` is the IP address that is listened on. */
export function wideMtuNotice(boundHost: string, payloadBytes: number): string {
  const device = deviceOf(boundHost);
  const mtu = (device === undefined ? undefined : mtuOf(device)) ?? largestMtu();
  return (
    `QUIC packets of ${payloadBytes} bytes leave ${boundHost} and are cut into fragments, which is slow and stalls under loss. ` +
    `Listen on 0.0.0.0 or :: instead, or set the transport's option bindAny, or run: ${routeCommand(boundHost, device, mtu)}`
  );
}

/** The same where the packets stay on this machine and a browser does not take them. */
export function refusedPacketsNotice(boundHost: string): string {
  return (
    `a browser ended its connection at once, as it does when packets are larger than ${DEFAULT_MTU - HEADER_BYTES} bytes; those from ${boundHost} ` +
    `to this machine are. Listen on 0.0.0.0 or :: instead, or run: ${routeCommand(boundHost, deviceOf(boundHost), DEFAULT_MTU)}`
  );
}

function routeCommand(host: string, device: string | undefined, mtu: number): string {
  const ip = isIP(host) === 6 ? "ip -6" : "ip";
  return `${ip} route replace local ${host} dev ${device ?? "<interface>"} table local proto kernel scope host src ${host} mtu ${mtu}`;
}

/** Name of the interface that has this address. */
function deviceOf(address: string): string | undefined {
  for (const [name, entries] of Object.entries(networkInterfaces())) {
    if (entries?.some((entry) => entry.address === address) === true) return name;
  }
  return undefined;
}

function largestMtu(): number {
  let largest = 0;
  try {
    for (const name of readdirSync("/sys/class/net")) if (name !== "lo") largest = Math.max(largest, mtuOf(name) ?? 0);
  } catch {
    return DEFAULT_MTU;
  }
  return largest > 0 ? largest : DEFAULT_MTU;
}

function mtuOf(device: string): number | undefined {
  try {
    return Number(readFileSync(`/sys/class/net/${device}/mtu`, "utf8"));
  } catch {
    return undefined;
  }
}
