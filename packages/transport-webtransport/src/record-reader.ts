import { encodeVarint, VarintReader } from "./varint.ts";

/**
 * What becomes of a record's value: kept until it is complete, passed on piece by piece, or skipped; "endless" is one that is no record: all
 * that follows comes in pieces, and its length is another number. Records of HTTP/3 streams are
 * frames (RFC 9114 section 7.1), those of a session's data are capsules (RFC 9297 section 3.2): type, length, value.
 */
export type RecordTreatment = "whole" | "pieces" | "skip" | "endless";

export interface RecordSink {
  /** Decides before the value arrives, and bounds by it what is kept. Throws for a record that must not be. */
  treat(type: number, length: number): RecordTreatment;
  /** A record whose value is kept is complete. The bytes are the sink's. */
  onRecord(type: number, value: Uint8Array): void;
  /** Some bytes of a record that comes in pieces. */
  onPiece(type: number, bytes: Uint8Array): void;
}

const NOTHING = new Uint8Array(0);

/** Cuts a stream into records, however it arrives. Holds no more than one value that the sink wants whole. */
export class RecordReader {
  readonly #sink: RecordSink;
  readonly #type = new VarintReader();
  readonly #length = new VarintReader();
  /** Undefined between the values. */
  #treatment: RecordTreatment | undefined;
  #missing = 0;
  #kept = NOTHING;

  constructor(sink: RecordSink) {
    this.#sink = sink;
  }

  /** Whether a record has begun and is not complete: a stream that ends here was cut off. */
  get isInside(): boolean {
    return this.#treatment !== undefined || this.#type.hasBegun;
  }

  /** Throws what the sink throws; then nothing more may be pushed. */
  push(data: Uint8Array): void {
    let at = 0;
    while (at < data.length) {
      if (this.#treatment === undefined) {
        at = this.#type.take(data, at);
        at = this.#length.take(data, at);
        if (this.#length.value === undefined) return;
        this.#begin(this.#type.value ?? 0, this.#length.value);
      } else {
        const bytes = data.subarray(at, Math.min(data.length, at + this.#missing));
        at += bytes.length;
        this.#takePart(bytes);
      }
      if (this.#missing === 0) this.#finish();
    }
  }

  #begin(type: number, length: number): void {
    this.#treatment = this.#sink.treat(type, length);
    this.#missing = this.#treatment === "endless" ? Number.POSITIVE_INFINITY : length;
    // Made at once: kept piece by piece, single bytes would cost a hundred times their size.
    if (this.#treatment === "whole") this.#kept = new Uint8Array(length);
  }

  #takePart(bytes: Uint8Array): void {
    if (this.#treatment === "whole") this.#kept.set(bytes, this.#kept.length - this.#missing);
    this.#missing -= bytes.length;
    if (this.#treatment === "pieces" || this.#treatment === "endless") this.#sink.onPiece(this.#type.value ?? 0, bytes);
  }

  #finish(): void {
    const type = this.#type.value ?? 0;
    const treatment = this.#treatment;
    const kept = this.#kept;
    this.#treatment = undefined;
    this.#kept = NOTHING;
    this.#type.reset();
    this.#length.reset();
    if (treatment === "whole") this.#sink.onRecord(type, kept);
  }
}

/** A whole record. */
export function encodeRecord(type: number, value: Uint8Array): Uint8Array {
  const typeBytes = encodeVarint(type);
  const lengthBytes = encodeVarint(value.length);
  const bytes = new Uint8Array(typeBytes.length + lengthBytes.length + value.length);
  bytes.set(typeBytes);
  bytes.set(lengthBytes, typeBytes.length);
  bytes.set(value, typeBytes.length + lengthBytes.length);
  return bytes;
}
