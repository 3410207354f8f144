import { CODE_LENGTHS } from "./huffman-code-lengths.ts";

const MAX_CODE_BITS = 30;
const END_MARK = 256;
/** Padding is shorter than a byte. RFC 7541 section 5.2 */
const MAX_PADDING_BITS = 7;

/** Of the codes of each length: how many there are, the first, and where their symbols begin in `symbols`. */
const counts = new Uint16Array(MAX_CODE_BITS + 1);
const firsts = new Uint32Array(MAX_CODE_BITS + 1);
const starts = new Uint16Array(MAX_CODE_BITS + 1);
const symbols = CODE_LENGTHS.map((_, symbol) => symbol).sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
for (const length of CODE_LENGTHS) counts[length] = (counts[length] ?? 0) + 1;
for (let length = 1; length <= MAX_CODE_BITS; length += 1) {
  firsts[length] = ((firsts[length - 1] ?? 0) + (counts[length - 1] ?? 0)) << 1;
  starts[length] = (starts[length - 1] ?? 0) + (counts[length - 1] ?? 0);
}

/** What the bytes stand for, one character for each byte; undefined if they are no Huffman code of RFC 7541. */
export function decodeHuffman(bytes: Uint8Array): string | undefined {
  const text: number[] = [];
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      code = (code << 1) | ((byte >> bit) & 1);
      length += 1;
      if (length > MAX_CODE_BITS) return undefined;
      const index = code - (firsts[length] ?? 0);
      if (index >= (counts[length] ?? 0)) continue;
      const symbol = symbols[(starts[length] ?? 0) + index] ?? END_MARK;
      if (symbol === END_MARK) return undefined;
      text.push(symbol);
      code = 0;
      length = 0;
    }
  }
  const isPadding = length <= MAX_PADDING_BITS && code === (1 << length) - 1;
  return isPadding ? String.fromCharCode(...text) : undefined;
}

function lengthOf(symbol: number): number {
  return CODE_LENGTHS[symbol] ?? 0;
}
