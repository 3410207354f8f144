import { VarintReader, varintLength, writeVarint } from "./varint.ts";

/** One application datagram in a datagram of the link. spec: DGRAM-4 */
export interface LinkDatagram {
  readonly number: number;
  /** A copy: the link may use its memory again. */
  readonly data: Uint8Array;
}

/** Bytes that the number takes beside the data. */
export function linkDatagramBytes(number: number, dataBytes: number): number {
  return varintLength(number) + dataBytes;
}

export function encodeLinkDatagram(number: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(linkDatagramBytes(number, data.length));
  bytes.set(data, writeVarint(bytes, 0, number));
  return bytes;
}

/** Answers undefined for one that is too short for its number. */
export function decodeLinkDatagram(bytes: Uint8Array): LinkDatagram | undefined {
  const reader = new VarintReader();
  reader.reset(bytes, 0, bytes.length);
  const number = reader.varint();
  if (reader.isShort || reader.isTooLarge) return undefined;
  return { number, data: new Uint8Array(bytes.subarray(reader.at)) };
}
