import { Http3Code, Http3Failure } from "../http3-failure.ts";
import { decodeHuffman } from "./huffman.ts";
import { decodePrefixedInteger, encodePrefixedInteger } from "./prefixed-integer.ts";
import { STATIC_TABLE } from "./static-table.ts";

/** One header field, names in lower case as they came. Text holds one character for each byte. */
export type Field = readonly [name: string, value: string];

/** What a field costs beside its text when sections are measured, in bytes. RFC 9114 section 4.2.2 */
const FIELD_OVERHEAD_BYTES = 32;

/**
 * Decodes the fields of a HEADERS frame. This side has told the peer that its dynamic table holds nothing, so whatever refers to it is a
 * failure, as is anything malformed. Answers undefined for a section that is larger than `maxBytes` when measured.
 */
export function decodeFieldSection(bytes: Uint8Array, maxBytes: number): readonly Field[] | undefined {
  const reader = new SectionReader(bytes);
  // RFC 9204 section 4.5.1: the required insert count, then the base.
  if (reader.integer(8) !== 0) throw failure("it refers to the dynamic table");
  reader.integer(7);
  const fields: Field[] = [];
  let total = 0;
  while (!reader.isAtEnd) {
    const field = reader.field();
    total += field[0].length + field[1].length + FIELD_OVERHEAD_BYTES;
    if (total > maxBytes) return undefined;
    fields.push(field);
  }
  return fields;
}

/** Encodes fields: from the static table where it has them, else literally. Text must be ASCII. */
export function encodeFieldSection(fields: readonly Field[]): Uint8Array {
  const bytes: number[] = [0, 0];
  for (const [name, value] of fields) {
    const whole = STATIC_TABLE.findIndex((entry) => entry[0] === name && entry[1] === value);
    const named = STATIC_TABLE.findIndex((entry) => entry[0] === name);
    if (whole >= 0) {
      bytes.push(...encodePrefixedInteger(whole, 6, 0xc0));
      continue;
    }
    if (named >= 0) bytes.push(...encodePrefixedInteger(named, 4, 0x50));
    else bytes.push(...encodePrefixedInteger(name.length, 3, 0x20), ...charCodes(name));
    bytes.push(...encodePrefixedInteger(value.length, 7, 0), ...charCodes(value));
  }
  return Uint8Array.from(bytes);
}

class SectionReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** One field line. RFC 9204 section 4.5 */
  field(): Field {
    const first = this.#bytes[this.#at] ?? 0;
    if ((first & 0xc0) === 0xc0) return staticEntry(this.integer(6));
    if ((first & 0xf0) === 0x50 || (first & 0xf0) === 0x70) return [staticEntry(this.integer(4))[0], this.#text(7)];
    if ((first & 0xe0) === 0x20) return [this.#text(3), this.#text(7)];
    throw failure("it refers to the dynamic table");
  }

  /** An integer whose first byte keeps `prefixBits` for it. */
  integer(prefixBits: number): number {
    const read = decodePrefixedInteger(this.#bytes, this.#at, prefixBits);
    if (read === undefined) throw failure("a number is malformed");
    this.#at = read.next;
    return read.value;
  }

  /** A string; the bit above its length says whether it is Huffman-coded. */
  #text(prefixBits: number): string {
    const isCoded = ((this.#bytes[this.#at] ?? 0) & (1 << prefixBits)) !== 0;
    const length = this.integer(prefixBits);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw failure("a string is cut off");
    this.#at += length;
    const text = isCoded ? decodeHuffman(bytes) : String.fromCharCode(...bytes);
    if (text === undefined) throw failure("a string is no Huffman code");
    return text;
  }
}

function staticEntry(index: number): Field {
  const entry = STATIC_TABLE[index];
  if (entry === undefined) throw failure(`the static table has no entry ${index}`);
  return entry;
}

function charCodes(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

function failure(what: string): Http3Failure {
  return new Http3Failure(Http3Code.qpackDecompressionFailed, `a field section cannot be decoded: ${what}`);
}
