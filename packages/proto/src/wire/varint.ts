/** Largest number that travels: the encoding could hold 2^62 - 1, kwik stops where JavaScript's exact integers end. spec: WIRE-1 */
export const MAX_VARINT = Number.MAX_SAFE_INTEGER;

/** Bytes of the longest varint. */
export const MAX_VARINT_BYTES = 8;

const TWO_POW_32 = 0x1_0000_0000;
/** The high 32 bits of an eight-byte varint must stay below this for the value to stay below 2^53. */
const HIGH_LIMIT = 0x20_0000;
const NOTHING = new Uint8Array(0);

/** Bytes that `writeVarint` uses for a value of 0 to `MAX_VARINT`: 1, 2, 4 or 8. */
export function varintLength(value: number): number {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  return value < 0x4000_0000 ? 4 : 8;
}

/**
 * Writes a varint in its shortest form and answers the position after it. The caller has made sure of the room.
 * Throws a RangeError for anything but an integer of 0 to `MAX_VARINT`: such a value is a bug of ours.
 */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} does not fit a varint`);
  if (value < 0x40) {
    target[at] = value;
    return at + 1;
  }
  if (value < 0x4000) {
    target[at] = 0x40 | (value >> 8);
    target[at + 1] = value & 0xff;
    return at + 2;
  }
  if (value < 0x4000_0000) {
    target[at] = 0x80 | (value >> 24);
    target[at + 1] = (value >> 16) & 0xff;
    target[at + 2] = (value >> 8) & 0xff;
    target[at + 3] = value & 0xff;
    return at + 4;
  }
  const high = Math.floor(value / TWO_POW_32);
  const low = value >>> 0;
  target[at] = 0xc0 | (high >> 24);
  target[at + 1] = (high >> 16) & 0xff;
  target[at + 2] = (high >> 8) & 0xff;
  target[at + 3] = high & 0xff;
  target[at + 4] = low >>> 24;
  target[at + 5] = (low >> 16) & 0xff;
  target[at + 6] = (low >> 8) & 0xff;
  target[at + 7] = low & 0xff;
  return at + 8;
}

/**
 * Reads bytes and varints from a window of an array. What goes wrong is remembered and asked once per frame:
 * after `isShort` or `isTooLarge` the values read are meaningless.
 */
export class VarintReader {
  /** Position of the next byte. */
  at = 0;
  /** The window ended before a value did. */
  isShort = false;
  /** A value was above `MAX_VARINT`. */
  isTooLarge = false;

  #bytes: Uint8Array = NOTHING;
  #end = 0;

  /** Starts over at `at`; bytes from `end` on do not exist. */
  reset(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
    this.isShort = false;
    this.isTooLarge = false;
  }

  /** Lets go of the bytes, so that a reader does not keep a buffer alive. */
  release(): void {
    this.#bytes = NOTHING;
  }

  /** The next byte. */
  byte(): number {
    if (this.at >= this.#end) {
      this.isShort = true;
      return 0;
    }
    const value = this.#bytes[this.at] as number;
    this.at += 1;
    return value;
  }

  /** The next varint; any of the four lengths is accepted for any value. */
  varint(): number {
    const at = this.at;
    const bytes = this.#bytes;
    if (at >= this.#end) {
      this.isShort = true;
      return 0;
    }
    const first = bytes[at] as number;
    if (first < 0x40) {
      this.at = at + 1;
      return first;
    }
    const length = 1 << (first >> 6);
    if (at + length > this.#end) {
      this.isShort = true;
      // Nothing after an unfinished value may be taken for one.
      this.at = this.#end;
      return 0;
    }
    this.at = at + length;
    if (length === 2) return ((first & 0x3f) << 8) | (bytes[at + 1] as number);
    const upper = ((first & 0x3f) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
    if (length === 4) return upper;
    if (upper >= HIGH_LIMIT) {
      this.isTooLarge = true;
      return 0;
    }
    const middle = ((bytes[at + 4] as number) << 16) | ((bytes[at + 5] as number) << 8) | (bytes[at + 6] as number);
    return upper * TWO_POW_32 + middle * 256 + (bytes[at + 7] as number);
  }
}
