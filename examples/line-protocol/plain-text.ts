import { isUtf8 } from "node:buffer";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * LINE-11: how many of the first bytes go into one plain chunk: all, or fewer where a character would be cut. Peers that know only text turn
 * each chunk into characters by itself, and half a character is lost by that.
 */
export function plainChunkLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte >= 0xc0) return characterLength(byte) > back ? bytes.length - back : bytes.length;
    if (byte < 0x80) break;
  }
  return bytes.length;
}

/** What the plain form cannot carry of this chunk, in words; undefined if it can carry all. */
export function plainObstacle(chunk: Uint8Array): string | undefined {
  if (chunk.includes(LINE_FEED)) return "a line feed";
  if (chunk.includes(CARRIAGE_RETURN)) return "a carriage return";
  if (chunk.includes(0)) return "a zero byte";
  return isUtf8(chunk) ? undefined : "bytes that are no UTF-8 text";
}

function characterLength(leadByte: number): number {
  if (leadByte >= 0xf0) return 4;
  return leadByte >= 0xe0 ? 3 : 2;
}
