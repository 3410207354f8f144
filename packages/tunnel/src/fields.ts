import { KwikError } from "@kwik/core";
import type { TunnelAddress } from "./target.ts";

/** A reading position in bytes that are all here. */
export interface Fields {
  readonly bytes: Uint8Array;
  at: number;
}

/** A text of at most 255 bytes with its length in front. */
const MAX_TEXT_BYTES = 255;
const HOST = /^[0-9A-Za-z._:-]*$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Length (1 byte) and text in UTF-8. Throws INVALID_ARGUMENT beyond 255 bytes, or if it is empty. */
export function writeText(text: string): Uint8Array {
  const data = encoder.encode(text);
  if (data.length === 0 || data.length > MAX_TEXT_BYTES)
    throw new KwikError("INVALID_ARGUMENT", `a name or host has 1 to ${MAX_TEXT_BYTES} bytes, not ${data.length}`);
  const bytes = new Uint8Array(1 + data.length);
  bytes[0] = data.length;
  bytes.set(data, 1);
  return bytes;
}

export function readText(fields: Fields): string {
  const length = fields.bytes[fields.at];
  const end = fields.at + 1 + (length ?? 0);
  if (length === undefined || end > fields.bytes.length) throw new KwikError("PROTOCOL_VIOLATION", "a text is cut off");
  const data = fields.bytes.subarray(fields.at + 1, end);
  fields.at = end;
  try {
    return decoder.decode(data);
  } catch (cause) {
    throw new KwikError("PROTOCOL_VIOLATION", "a text is not UTF-8", { cause });
  }
}

/** Host (length and text) and port (2 bytes, the high one first). Throws INVALID_ARGUMENT for what is no host or port. */
export function writeAddress({ host, port }: TunnelAddress): Uint8Array {
  if (!HOST.test(host))
    throw new KwikError("INVALID_ARGUMENT", `"${host.slice(0, 100)}" is no host; write a name or an address without brackets`);
  if (!Number.isInteger(port) || port < 1 || port > 0xffff) throw new KwikError("INVALID_ARGUMENT", `${port} is no port; write 1 to 65535`);
  const text = writeText(host);
  const bytes = new Uint8Array(text.length + 2);
  bytes.set(text);
  bytes.set([port >> 8, port & 0xff], text.length);
  return bytes;
}

/** A host may be empty and a port 0: whoever reads decides. */
export function readAddress(fields: Fields): TunnelAddress {
  const host = readText(fields);
  if (!HOST.test(host)) throw new KwikError("PROTOCOL_VIOLATION", "a host has characters that no host has");
  const high = fields.bytes[fields.at];
  const low = fields.bytes[fields.at + 1];
  if (high === undefined || low === undefined) throw new KwikError("PROTOCOL_VIOLATION", "a port is cut off");
  fields.at += 2;
  return { host, port: (high << 8) | low };
}
