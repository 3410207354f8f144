const BYTE = 0x100;
const MAX_BYTES = 8;

/** Bytes of a varint (RFC 9000 section 16) in its shortest form. `value` is an integer of 0 to `Number.MAX_SAFE_INTEGER`. */
export function encodeVarint(value: number): Uint8Array {
  const length = value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000_0000 ? 4 : MAX_BYTES;
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let i = length - 1; i >= 0; i -= 1) {
    bytes[i] = rest % BYTE;
    rest = Math.floor(rest / BYTE);
  }
  bytes[0] = (bytes[0] as number) | (Math.log2(length) << 6);
  return bytes;
}

/**
 * Reads one varint, which may arrive in any number of pieces. Values from 2^53 on come out rounded: peers send such numbers only where
 * they mean nothing.
 */
export class VarintReader {
  #value = 0;
  /** Bytes still to come; below 0 before the first. */
  #missing = -1;

  /** The number, once all of it was taken. */
  get value(): number | undefined {
    return this.#missing === 0 ? this.#value : undefined;
  }

  /** Whether at least one of its bytes was taken. */
  get hasBegun(): boolean {
    return this.#missing >= 0;
  }

  /** Takes what it needs of `data` from `at` on; answers the position behind that. */
  take(data: Uint8Array, at: number): number {
    let next = at;
    while (this.#missing !== 0 && next < data.length) {
      const byte = data[next] as number;
      next += 1;
      if (this.#missing < 0) {
        this.#missing = (1 << (byte >> 6)) - 1;
        this.#value = byte & 0x3f;
      } else {
        this.#missing -= 1;
        this.#value = this.#value * BYTE + byte;
      }
    }
    return next;
  }

  /** Makes ready for the next number. */
  reset(): void {
    this.#missing = -1;
  }
}
