import { ErrorCode, failure } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";
import type { Limits } from "../base/limits.ts";
import type { Envelope } from "./control-body.ts";
import { type ControlMessages, readEnvelope, type ReceivedEnvelope, writeEnvelope } from "./control-messages.ts";

export type { Envelope };

/** First buffer for a message that arrives in pieces, in bytes. It grows with what really arrived, not with what was announced. */
const FIRST_BUFFER_BYTES = 1024;

/**
 * Reads envelopes from the bytes of one control carrier, however they are cut. Never throws on any bytes; after a failure it
 * stays failed. Decoded envelopes hold copies, and nothing of the pushed data. spec: CTRL-1, CTRL-2
 */
export class ControlDecoder {
  readonly #maxMessageBytes: number;
  readonly #messages: ControlMessages;
  readonly #ready: ReceivedEnvelope[] = [];
  #failure: ProtocolFailure | undefined;
  #count = 0;
  /** Length prefix under way: bytes still missing of it, and its value so far. */
  #prefixMissing = 0;
  #prefixValue = 0;
  /** Length of the message under way; undefined while its prefix is read. */
  #messageBytes: number | undefined;
  #buffer = new Uint8Array(0);
  #buffered = 0;

  constructor(limits: Pick<Limits, "maxControlMessageBytes">, messages: ControlMessages) {
    this.#messages = messages;
    this.#maxMessageBytes = limits.maxControlMessageBytes;
  }

  /** Takes the next bytes. Answers TOO_LARGE, FRAME_ENCODING or PROTOCOL_VIOLATION; the path is then to be closed. */
  push(data: Uint8Array): ProtocolFailure | undefined {
    let at = 0;
    while (this.#failure === undefined && at < data.length) {
      at = this.#messageBytes === undefined ? this.#readPrefix(data, at) : this.#readMessage(data, at, this.#messageBytes);
    }
    return this.#failure;
  }

  /** The next whole envelope, also one whose body this version does not know (`body.case` undefined). */
  poll(): ReceivedEnvelope | undefined {
    return this.#ready.shift();
  }

  /** Envelopes that came so far. */
  get count(): number {
    return this.#count;
  }

  #readPrefix(data: Uint8Array, start: number): number {
    let at = start;
    if (this.#prefixMissing === 0) {
      const first = data[at] as number;
      at += 1;
      this.#prefixMissing = (1 << (first >> 6)) - 1;
      this.#prefixValue = first & 0x3f;
    }
    while (this.#prefixMissing > 0 && at < data.length) {
      this.#prefixValue = this.#prefixValue * 256 + (data[at] as number);
      this.#prefixMissing -= 1;
      at += 1;
    }
    if (this.#prefixMissing > 0) return at;
    if (this.#prefixValue > this.#maxMessageBytes) {
      this.#failure = failure(ErrorCode.TOO_LARGE, `control message of ${this.#prefixValue} bytes; ${this.#maxMessageBytes} are allowed`);
    } else if (this.#prefixValue > 0) this.#messageBytes = this.#prefixValue;
    else this.#decode(data.subarray(at, at));
    return at;
  }

  #readMessage(data: Uint8Array, at: number, messageBytes: number): number {
    const taken = Math.min(messageBytes - this.#buffered, data.length - at);
    const piece = data.subarray(at, at + taken);
    if (taken === messageBytes) {
      this.#messageBytes = undefined;
      this.#decode(piece);
      return at + taken;
    }
    this.#append(piece, messageBytes);
    if (this.#buffered === messageBytes) {
      const whole = this.#buffer.subarray(0, messageBytes);
      this.#buffer = new Uint8Array(0);
      this.#buffered = 0;
      this.#messageBytes = undefined;
      this.#decode(whole);
    }
    return at + taken;
  }

  #append(piece: Uint8Array, messageBytes: number): void {
    const needed = this.#buffered + piece.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(messageBytes, Math.max(needed, this.#buffer.length * 2, FIRST_BUFFER_BYTES)));
      grown.set(this.#buffer.subarray(0, this.#buffered));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#buffered);
    this.#buffered = needed;
  }

  #decode(bytes: Uint8Array): void {
    this.#count += 1;
    try {
      const envelope = readEnvelope(this.#messages, bytes);
      if ("code" in envelope) this.#failure = envelope;
      else this.#ready.push(envelope);
    } catch (error) {
      this.#failure = failure(ErrorCode.FRAME_ENCODING, `control message: ${error instanceof Error ? error.message : "malformed"}`);
    }
  }
}

/** The bytes of an envelope on the control carrier: its length as a varint, then the protobuf message. spec: CTRL-1 */
export function encodeEnvelope(messages: ControlMessages, envelope: Envelope): Uint8Array {
  const message = writeEnvelope(messages, envelope);
  const length = message.length;
  if (length >= 2 ** 30) throw new RangeError(`control message of ${length} bytes`);
  const prefixBytes = length < 2 ** 6 ? 1 : length < 2 ** 14 ? 2 : 4;
  const framed = new Uint8Array(prefixBytes + length);
  for (let at = prefixBytes - 1, rest = length; at >= 0; at -= 1, rest = Math.floor(rest / 256)) framed[at] = rest % 256;
  framed[0] = (framed[0] as number) | ((prefixBytes === 4 ? 2 : prefixBytes - 1) << 6);
  framed.set(message, prefixBytes);
  return framed;
}
