import { KwikError } from "@kwik/core";
import { type Fields, readAddress, readText, writeAddress, writeText } from "./fields.ts";
import type { TunnelAddress, TunnelTarget } from "./target.ts";

/** "KT", version 1, kind, length: what every request begins with, in bytes. */
export const REQUEST_HEAD_BYTES = 6;

const KINDS = { tcp: 0x00, unix: 0x01, udp: 0x02, link: 0x03 } as const;

/** The header of a stream that asks for `target`. Throws INVALID_ARGUMENT for a target that cannot be written. spec: TUN-1 */
export function encodeTunnelRequest(target: TunnelTarget): Uint8Array {
  const body = bodyOf(target);
  const bytes = new Uint8Array(REQUEST_HEAD_BYTES + body.length);
  bytes.set([0x4b, 0x54, 0x01, KINDS[target.kind], body.length >> 8, body.length & 0xff]);
  bytes.set(body, REQUEST_HEAD_BYTES);
  return bytes;
}

/** How long the body is that follows a head of REQUEST_HEAD_BYTES. Throws PROTOCOL_VIOLATION where it is no request. */
export function requestBodyBytes(head: Uint8Array): number {
  if (head[0] !== 0x4b || head[1] !== 0x54) throw new KwikError("PROTOCOL_VIOLATION", "the stream does not begin as a tunnel");
  if (head[2] !== 0x01) throw new KwikError("VERSION", `version ${head[2] ?? 0} of tunnels is not known here, only 1`);
  return ((head[4] as number) << 8) | (head[5] as number);
}

/** The target of a request. Throws PROTOCOL_VIOLATION; NOT_SUPPORTED for a kind that is not known. */
export function decodeTunnelRequest(head: Uint8Array, body: Uint8Array): TunnelTarget {
  const fields: Fields = { bytes: body, at: 0 };
  switch (head[3]) {
    case KINDS.tcp:
      return { kind: "tcp", ...placeOf(fields) };
    case KINDS.link:
      return { kind: "link", ...placeOf(fields) };
    case KINDS.unix: {
      const name = readText(fields);
      if (name === "") throw new KwikError("PROTOCOL_VIOLATION", "a unix target needs a name");
      return { kind: "unix", name };
    }
    case KINDS.udp:
      return { kind: "udp" };
    default:
      throw new KwikError("NOT_SUPPORTED", `targets of kind ${head[3] ?? 0} are not known here`);
  }
}

function bodyOf(target: TunnelTarget): Uint8Array {
  if (target.kind === "unix") return writeText(target.name);
  return target.kind === "udp" ? new Uint8Array(0) : writeAddress(target);
}

function placeOf(fields: Fields): TunnelAddress {
  const { host, port } = readAddress(fields);
  if (host === "" || port === 0) throw new KwikError("PROTOCOL_VIOLATION", "a target needs a host and a port from 1 to 65535");
  return { host, port };
}
