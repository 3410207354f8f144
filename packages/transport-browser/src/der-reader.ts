/** One ASN.1 value. */
export interface DerValue {
  readonly tag: number;
  /** Its contents. */
  readonly content: Uint8Array;
  /** Tag, length and contents. */
  readonly whole: Uint8Array;
}

export const DerTag = { bitString: 0x03, oid: 0x06, utcTime: 0x17, generalizedTime: 0x18, sequence: 0x30, version: 0xa0 } as const;

/** Bytes of a length beyond the first, at most: values up to 16 MB. */
const MAX_LENGTH_BYTES = 3;

/** Reads the values in some bytes of DER, one after the other. Throws RangeError for what is none. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The tag of the next value; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The next value, which must have that tag, if one is given. */
  next(tag?: number): DerValue {
    const start = this.#at;
    const found = this.#byte();
    if (tag !== undefined && found !== tag) throw new RangeError(`a value of type ${tag} was expected, and ${found} found`);
    const length = this.#length();
    const from = this.#at;
    if (length > this.#bytes.length - from) throw new RangeError("a value is longer than the bytes around it");
    this.#at = from + length;
    return { tag: found, content: this.#bytes.subarray(from, this.#at), whole: this.#bytes.subarray(start, this.#at) };
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > MAX_LENGTH_BYTES) throw new RangeError("a value has a length that DER has not");
    let length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + this.#byte();
    return length;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError("the bytes end within a value");
    this.#at += 1;
    return byte;
  }
}
