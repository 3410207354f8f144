/** Bytes after the first: enough for anything that fits into memory, and safe in 32 bits. */
const MAX_FURTHER_BYTES = 4;

/** Reads an integer of RFC 7541 section 5.1, whose first byte keeps `prefixBits` for it; undefined if it is cut off or too large. */
export function decodePrefixedInteger(
  bytes: Uint8Array,
  at: number,
  prefixBits: number,
): { readonly value: number; readonly next: number } | undefined {
  const limit = (1 << prefixBits) - 1;
  const first = bytes[at];
  if (first === undefined) return undefined;
  let value = first & limit;
  if (value < limit) return { value, next: at + 1 };
  for (let i = 0; i < MAX_FURTHER_BYTES; i += 1) {
    const byte = bytes[at + 1 + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: at + 2 + i };
  }
  return undefined;
}

/** Writes one; `flags` are the first byte's other bits. */
export function encodePrefixedInteger(value: number, prefixBits: number, flags: number): number[] {
  const limit = (1 << prefixBits) - 1;
  if (value < limit) return [flags | value];
  const bytes = [flags | limit];
  let rest = value - limit;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}
