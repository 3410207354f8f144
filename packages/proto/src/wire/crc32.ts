/** Bytes taken at once, a table for each. */
const SLICES = 8;
let tables: Int32Array | undefined;

/** CRC-32 (IEEE 802.3, as in zlib), eight bytes at a time. spec: WIRE-6 */
export function crc32(data: Uint8Array, seed: number): number {
  tables ??= makeTables();
  const t = tables;
  const length = data.length;
  let crc = ~seed;
  let at = 0;
  for (const stop = length - 7; at < stop; at += 8) {
    const low =
      crc ^ ((data[at] as number) | ((data[at + 1] as number) << 8) | ((data[at + 2] as number) << 16) | ((data[at + 3] as number) << 24));
    crc =
      (t[0x700 + (low & 0xff)] as number) ^
      (t[0x600 + ((low >>> 8) & 0xff)] as number) ^
      (t[0x500 + ((low >>> 16) & 0xff)] as number) ^
      (t[0x400 + (low >>> 24)] as number) ^
      (t[0x300 + (data[at + 4] as number)] as number) ^
      (t[0x200 + (data[at + 5] as number)] as number) ^
      (t[0x100 + (data[at + 6] as number)] as number) ^
      (t[data[at + 7] as number] as number);
  }
  for (; at < length; at += 1) crc = (crc >>> 8) ^ (t[(crc ^ (data[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

/** Table k holds the effect of a byte that k further bytes follow. */
function makeTables(): Int32Array {
  const made = new Int32Array(256 * SLICES);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    made[byte] = crc;
  }
  for (let index = 256; index < made.length; index += 1) {
    const previous = made[index - 256] as number;
    made[index] = (previous >>> 8) ^ (made[previous & 0xff] as number);
  }
  return made;
}
