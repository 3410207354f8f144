/** Writes the few ASN.1 DER values that a certificate is made of. Reading is left to node:crypto. */
export const der = {
  sequence: (...parts: Uint8Array[]): Uint8Array => tagged(0x30, ...parts),
  set: (...parts: Uint8Array[]): Uint8Array => tagged(0x31, ...parts),
  /** An unsigned big-endian integer. */
  integer: (bytes: Uint8Array): Uint8Array => {
    let start = 0;
    while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
    const minimal = bytes.subarray(start);
    return (minimal[0] ?? 0) > 0x7f ? tagged(0x02, Uint8Array.of(0), minimal) : tagged(0x02, minimal);
  },
  boolean: (value: boolean): Uint8Array => tagged(0x01, Uint8Array.of(value ? 0xff : 0)),
  /** `unusedBits` counts at the end of the last byte. */
  bitString: (bytes: Uint8Array, unusedBits = 0): Uint8Array => tagged(0x03, Uint8Array.of(unusedBits), bytes),
  octetString: (bytes: Uint8Array): Uint8Array => tagged(0x04, bytes),
  utf8String: (text: string): Uint8Array => tagged(0x0c, new TextEncoder().encode(text)),
  /** Dotted notation. */
  oid: (dotted: string): Uint8Array => {
    const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
    return tagged(0x06, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]));
  },
  /** To the second; UTCTime before 2050, GeneralizedTime from then on (RFC 5280, 4.1.2.5). */
  time: (ms: number): Uint8Array => {
    const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
    const isShort = Number(digits.slice(0, 4)) < 2050;
    return tagged(isShort ? 0x17 : 0x18, new TextEncoder().encode(isShort ? digits.slice(2) : digits));
  },
  /** Context-specific tag around whole values. */
  explicit: (number: number, ...parts: Uint8Array[]): Uint8Array => tagged(0xa0 | number, ...parts),
  /** Context-specific tag in place of a primitive value's own. */
  implicit: (number: number, bytes: Uint8Array): Uint8Array => tagged(0x80 | number, bytes),
} as const;

function tagged(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  if (length > 0xffff) throw new RangeError(`a DER value of ${length} bytes is not supported`);
  const bytes = new Uint8Array(1 + size.length + length);
  bytes.set([tag, ...size]);
  let offset = 1 + size.length;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}
