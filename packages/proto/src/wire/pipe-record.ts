import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { CarrierId } from "../base/ids.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";
import { MAX_VARINT_BYTES, VarintReader, varintLength, writeVarint } from "./varint.ts";

/** Records of a link over one pipe. spec: PIPE-2 */
const RecordType = { DATA: 0, RESET: 1, DATAGRAM: 2, CLOSE: 3 } as const;

/** spec: PIPE-5 */
export const MAX_PIPE_DATAGRAM_BYTES = 65_535;
/** spec: PIPE-6 */
const MAX_CLOSE_REASON_BYTES = 1_024;
/** The longest head of a record: its type and two numbers. */
export const MAX_RECORD_HEAD_BYTES = 1 + 2 * MAX_VARINT_BYTES;

/** Writes the head of a DATA record; `length` bytes follow it. Answers the position after it. */
export function writeDataHead(target: Uint8Array, at: number, carrier: CarrierId, length: number): number {
  target[at] = RecordType.DATA;
  return writeVarint(target, writeVarint(target, at + 1, carrier), length);
}

export function encodeReset(carrier: CarrierId, code: number): Uint8Array {
  const record = new Uint8Array(1 + varintLength(carrier) + varintLength(code));
  record[0] = RecordType.RESET;
  writeVarint(record, writeVarint(record, 1, carrier), code);
  return record;
}

/** A DATAGRAM record with a copy of `data`. */
export function encodeDatagram(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(1 + varintLength(data.length) + data.length);
  record[0] = RecordType.DATAGRAM;
  record.set(data, writeVarint(record, 1, data.length));
  return record;
}

export function encodeClose(code: number, reason: string): Uint8Array {
  const text = encodeUtf8(reason, MAX_CLOSE_REASON_BYTES);
  const record = new Uint8Array(1 + varintLength(code) + varintLength(text.length) + text.length);
  record[0] = RecordType.CLOSE;
  record.set(text, writeVarint(record, writeVarint(record, 1, code), text.length));
  return record;
}

/** Receives what a `PipeDecoder` reads, in order. A failure that a method returns stops the decoder for good. */
export interface PipeSink {
  /** The next bytes of a carrier, as a view of the input. */
  pipeData(carrier: CarrierId, data: Uint8Array): ProtocolFailure | undefined;
  pipeReset(carrier: CarrierId, code: number): ProtocolFailure | undefined;
  pipeDatagram(data: Uint8Array): ProtocolFailure | undefined;
  pipeClose(code: number, reason: string): ProtocolFailure | undefined;
}

const NOTHING = new Uint8Array(0);

/** Decodes one direction of a pipe, cut anywhere. Holds at most a head and one datagram or reason. */
export class PipeDecoder {
  readonly #sink: PipeSink;
  readonly #reader = new VarintReader();
  readonly #head = new Uint8Array(MAX_RECORD_HEAD_BYTES);
  /** Bytes of a head that lies across a cut. */
  #headLength = 0;
  #type = -1;
  #first = 0;
  /** Bytes of the present record's body that are still to come. */
  #bodyLeft = 0;
  /** A body that is delivered whole. */
  #body = NOTHING;
  #failure: ProtocolFailure | undefined;

  constructor(sink: PipeSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes of the pipe; a failure is for good. */
  push(data: Uint8Array): ProtocolFailure | undefined {
    let at = 0;
    while (at < data.length && this.#failure === undefined) at = this.#bodyLeft > 0 ? this.#takeBody(data, at) : this.#takeHead(data, at);
    return this.#failure;
  }

  #takeHead(data: Uint8Array, from: number): number {
    if (this.#headLength === 0) {
      const end = this.#readHead(data, from, data.length);
      if (end !== undefined) return end;
    }
    // Across a cut: one byte more at a time, until the head is whole.
    for (let at = from; at < data.length; at += 1) {
      this.#head[this.#headLength] = data[at] as number;
      this.#headLength += 1;
      if (this.#readHead(this.#head, 0, this.#headLength) === undefined) continue;
      this.#headLength = 0;
      return at + 1;
    }
    return data.length;
  }

  /** Reads a record's head and begins its body. Answers the position after it, or undefined if it is cut. */
  #readHead(bytes: Uint8Array, from: number, to: number): number | undefined {
    const reader = this.#reader;
    reader.reset(bytes, from, to);
    const type = reader.byte();
    if (type > RecordType.CLOSE) {
      this.#failure = failure(ErrorCode.FRAME_ENCODING, `unknown record type 0x${type.toString(16)}`);
      return to;
    }
    const first = type === RecordType.DATAGRAM ? 0 : reader.varint();
    const second = reader.varint();
    if (reader.isTooLarge) {
      this.#failure = failure(ErrorCode.FRAME_ENCODING, "a number above 2^53 - 1 in a record");
      return to;
    }
    if (reader.isShort) return undefined;
    const end = reader.at;
    this.#begin(type, first, second);
    return end;
  }

  #begin(type: number, first: number, second: number): void {
    if (type === RecordType.RESET) {
      this.#failure = this.#sink.pipeReset(first, second);
      return;
    }
    const limit = limitOf(type);
    if (second > limit) {
      this.#failure = failure(ErrorCode.TOO_LARGE, `a record of ${second} bytes, at most ${limit} are taken`);
      return;
    }
    this.#type = type;
    this.#first = first;
    this.#bodyLeft = second;
    this.#body = type === RecordType.DATA ? NOTHING : new Uint8Array(second);
    if (second === 0) this.#deliver(NOTHING);
  }

  #takeBody(data: Uint8Array, from: number): number {
    const length = Math.min(this.#bodyLeft, data.length - from);
    const piece = from === 0 && length === data.length ? data : data.subarray(from, from + length);
    if (this.#type === RecordType.DATA) {
      this.#bodyLeft -= length;
      this.#deliver(piece);
    } else {
      this.#body.set(piece, this.#body.length - this.#bodyLeft);
      this.#bodyLeft -= length;
      if (this.#bodyLeft === 0) this.#deliver(this.#body);
    }
    return from + length;
  }

  #deliver(data: Uint8Array): void {
    if (this.#type === RecordType.DATA) this.#failure = this.#sink.pipeData(this.#first, data);
    else if (this.#type === RecordType.DATAGRAM) this.#failure = this.#sink.pipeDatagram(data);
    else this.#failure = this.#sink.pipeClose(this.#first, decodeUtf8(data));
    if (this.#bodyLeft === 0) this.#body = NOTHING;
  }
}

function limitOf(type: number): number {
  if (type === RecordType.DATA) return Number.MAX_SAFE_INTEGER;
  return type === RecordType.DATAGRAM ? MAX_PIPE_DATAGRAM_BYTES : MAX_CLOSE_REASON_BYTES;
}
