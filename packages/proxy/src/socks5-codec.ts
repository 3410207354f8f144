import { isIP } from "node:net";
import { KwikError } from "@kwik/core";
import type { TunnelAddress } from "@kwik/tunnel";
import type { FailureName } from "./failure-name.ts";
import type { Parsed } from "./socket-reader.ts";

/** RFC 1928 and RFC 1929. */
const VERSION = 0x05;
const AUTH_VERSION = 0x01;
const IPV4 = 0x01;
const NAME = 0x03;
const IPV6 = 0x04;

/** The longest message of a client: version, command, reserved, type, length, name, port. */
export const MAX_SOCKS_MESSAGE_BYTES = 3 + 255 + 255;

export const SocksMethod = { none: 0x00, password: 0x02, unacceptable: 0xff } as const;
export const SocksCommand = { connect: 0x01, bind: 0x02, associate: 0x03 } as const;
export const SocksReply = {
  succeeded: 0x00,
  failure: 0x01,
  notAllowed: 0x02,
  networkUnreachable: 0x03,
  hostUnreachable: 0x04,
  refused: 0x05,
  timedOut: 0x06,
  commandNotSupported: 0x07,
  addressNotSupported: 0x08,
} as const;

export interface SocksRequest {
  readonly command: number;
  /** Undefined for a type of address that is not known. */
  readonly address: TunnelAddress | undefined;
}

/** The methods that a client offers. Throws PROTOCOL_VIOLATION. */
export function parseGreeting(bytes: Uint8Array): Parsed<readonly number[]> {
  const [version, count] = bytes;
  if (version !== undefined && version !== VERSION) throw wrong(`this is SOCKS version 5, not ${version}`);
  if (count === undefined || bytes.length < 2 + count) return undefined;
  return { value: [...bytes.subarray(2, 2 + count)], bytes: 2 + count };
}

/** Throws PROTOCOL_VIOLATION. */
export function parsePassword(bytes: Uint8Array): Parsed<{ readonly name: string; readonly password: string }> {
  const [version, nameLength] = bytes;
  if (version !== undefined && version !== AUTH_VERSION) throw wrong(`version ${version} of user and password is not known`);
  if (nameLength === undefined) return undefined;
  const passwordLength = bytes[2 + nameLength];
  if (passwordLength === undefined || bytes.length < 3 + nameLength + passwordLength) return undefined;
  const text = (from: number, length: number): string => Buffer.from(bytes.subarray(from, from + length)).toString("utf8");
  return { value: { name: text(2, nameLength), password: text(3 + nameLength, passwordLength) }, bytes: 3 + nameLength + passwordLength };
}

/** Throws PROTOCOL_VIOLATION. */
export function parseSocksRequest(bytes: Uint8Array): Parsed<SocksRequest> {
  if (bytes.length > 0 && bytes[0] !== VERSION) throw wrong("a request begins with version 5");
  if (bytes.length < 5) return undefined;
  const type = bytes[3] as number;
  if (type !== IPV4 && type !== IPV6 && type !== NAME)
    return { value: { command: bytes[1] as number, address: undefined }, bytes: bytes.length };
  const address = parseAddress(bytes, 3);
  return address && { value: { command: bytes[1] as number, address: address.value }, bytes: address.bytes };
}

/** A datagram of an association; undefined for fragments and for what cannot be read. */
export function parseSocksDatagram(bytes: Uint8Array): { readonly address: TunnelAddress; readonly payload: Uint8Array } | undefined {
  if (bytes.length < 5 || bytes[2] !== 0) return undefined;
  let address: Parsed<TunnelAddress>;
  try {
    address = parseAddress(bytes, 3);
  } catch {
    return undefined;
  }
  if (address === undefined || address.value.host === "" || address.value.port === 0) return undefined;
  return { address: address.value, payload: bytes.subarray(address.bytes) };
}

export function encodeSocksDatagram(address: TunnelAddress, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(0, 0, 0), encodeAddress(address), payload]);
}

export function encodeSocksReply(reply: number, bound: TunnelAddress = { host: "0.0.0.0", port: 0 }): Uint8Array {
  return Buffer.concat([Uint8Array.of(VERSION, reply, 0), encodeAddress(bound)]);
}

/** What a client is told of a failure. */
export function socksReplyOf(failure: FailureName): number {
  switch (failure) {
    case "not-allowed":
      return SocksReply.notAllowed;
    case "name-not-found":
    case "unreachable":
      return SocksReply.hostUnreachable;
    case "connection-refused":
      return SocksReply.refused;
    case "timed-out":
      return SocksReply.timedOut;
    case "no-gateway":
      return SocksReply.networkUnreachable;
    case "not-supported":
      return SocksReply.commandNotSupported;
    default:
      return SocksReply.failure;
  }
}

/** Type, address and port at `at`; `bytes` counts from the beginning. An address of another type throws PROTOCOL_VIOLATION. */
function parseAddress(bytes: Uint8Array, at: number): Parsed<TunnelAddress> {
  const type = bytes[at];
  const start = type === NAME ? at + 2 : at + 1;
  const length = type === NAME ? bytes[at + 1] : type === IPV4 ? 4 : type === IPV6 ? 16 : -1;
  if (length === -1) throw wrong("this type of address is not known");
  if (length === undefined || bytes.length < start + length + 2) return undefined;
  const data = bytes.subarray(start, start + length);
  const port = ((bytes[start + length] as number) << 8) | (bytes[start + length + 1] as number);
  const host = type === NAME ? Buffer.from(data).toString("latin1") : type === IPV4 ? data.join(".") : ipv6Text(data);
  return { value: { host, port }, bytes: start + length + 2 };
}

function ipv6Text(data: Uint8Array): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((data[i] as number) << 8) | (data[i + 1] as number)).toString(16));
  // The URL parser writes the usual short form.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function encodeAddress({ host, port }: TunnelAddress): Uint8Array {
  const family = isIP(host);
  const head =
    family === 4
      ? [IPV4, ...host.split(".").map(Number)]
      : family === 6
        ? [IPV6, ...ipv6Bytes(host)]
        : [NAME, host.length, ...Buffer.from(host, "latin1")];
  return Uint8Array.of(...head, port >> 8, port & 0xff);
}

function ipv6Bytes(host: string): number[] {
  // The URL parser writes dotted tails as groups.
  const [head = "", tail] = new URL(`http://[${host.replace(/%.*$/, "")}]`).hostname.slice(1, -1).split("::", 2);
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = new Array<string>(8 - before.length - after.length).fill("0");
  return [...before, ...zeros, ...after].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

function wrong(reason: string): KwikError {
  return new KwikError("PROTOCOL_VIOLATION", reason);
}
