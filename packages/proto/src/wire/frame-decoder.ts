import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { StreamDirection } from "../base/ids.ts";
import { type AckFrame, FrameType, MAX_ACK_RANGE_COUNT } from "./frame.ts";
import type { PacketSink } from "./packet-sink.ts";
import { decodeUtf8 } from "./utf8.ts";
import { MAX_VARINT, MAX_VARINT_BYTES, VarintReader } from "./varint.ts";

/** What one frame may carry at most, in bytes. */
export interface FrameLimits {
  readonly maxRawBytes: number;
  readonly maxDatagramBytes: number;
  readonly maxReasonBytes: number;
}

/** Longest run of bytes that must be seen whole: an ACK with all its ranges. */
const MAX_FRAME_HEAD_BYTES = 1 + 5 * MAX_VARINT_BYTES + 2 * MAX_ACK_RANGE_COUNT * MAX_VARINT_BYTES;
const CARRY_STEP_BYTES = 64;
const NO_BODY = -1;
const NOTHING = new Uint8Array(0);

/** Decodes the frames of one packet's payload after the other, from bytes that are cut anywhere. */
export class FrameDecoder {
  readonly #sink: PacketSink;
  readonly #limits: FrameLimits;
  readonly #reader = new VarintReader();
  readonly #ack: AckFrame = { pathId: 0, largest: 0, delayMicros: 0, ranges: [] };

  #failure: ProtocolFailure | undefined;
  #isAckEliciting = false;
  /** Payload bytes that were not given yet. */
  #payloadLeft = 0;
  /** Where the payload ends, in the positions of `#reader`, possibly beyond what is here. */
  #payloadEnd = 0;

  /** Start of a frame whose header lies across a cut. */
  #carry: Uint8Array = NOTHING;
  #carryLength = 0;

  /** The frame whose body follows, its two leading numbers, and how much of it is missing. */
  #bodyType: number = NO_BODY;
  #bodyFirst = 0;
  #bodySecond = 0;
  #bodyLeft = 0;
  /** Body of a frame that is delivered whole, while it lies across a cut. */
  #collected: Uint8Array | undefined;

  constructor(sink: PacketSink, limits: FrameLimits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** Bytes kept between two pushes. */
  get heldBytes(): number {
    return this.#carryLength + (this.#collected?.length ?? 0);
  }

  /** Whether a frame asked for an acknowledgement since `begin`. */
  get isAckEliciting(): boolean {
    return this.#isAckEliciting;
  }

  /** Starts a payload of `payloadBytes`; the one before was given whole. */
  begin(payloadBytes: number): void {
    this.#payloadLeft = payloadBytes;
    this.#isAckEliciting = false;
  }

  /** Decodes `data` from `from` to `to`, the next bytes of the payload and none beyond it. */
  push(data: Uint8Array, from: number, to: number): ProtocolFailure | undefined {
    let at = from;
    while (at < to) {
      if (this.#bodyType !== NO_BODY) at = this.#body(data, at, to);
      else if (this.#carryLength > 0) at = this.#resume(data, at, to);
      else at = this.#frames(data, at, to);
      if (this.#failure !== undefined) break;
    }
    this.#reader.release();
    if (this.#failure === undefined && this.#payloadLeft === 0 && this.#carryLength > 0)
      this.#malformed("a frame runs over the end of its packet");
    return this.#failure;
  }

  /** Decodes frames up to the next one with a body, or one that is cut. Answers the position reached. */
  #frames(data: Uint8Array, from: number, to: number): number {
    const reader = this.#reader;
    reader.reset(data, from, to);
    this.#payloadEnd = from + this.#payloadLeft;
    let reached = from;
    while (reached < to) {
      this.#frame(reader);
      if (this.#failure !== undefined) return to;
      if (reader.isShort) {
        this.#keep(data, reached, to);
        reached = to;
        break;
      }
      reached = reader.at;
      if (this.#bodyType !== NO_BODY) break;
    }
    this.#payloadLeft = this.#payloadEnd - reached;
    return reached;
  }

  /** Decodes one frame that began before this input, without its body. Answers the position in `data` reached. */
  #resume(data: Uint8Array, from: number, to: number): number {
    const before = this.#carryLength;
    const taken = Math.min(to - from, CARRY_STEP_BYTES);
    this.#keep(data, from, from + taken);
    const reader = this.#reader;
    reader.reset(this.#carry, 0, before + taken);
    this.#payloadEnd = before + this.#payloadLeft;
    this.#frame(reader);
    if (this.#failure !== undefined) return to;
    const reached = reader.isShort ? before + taken : reader.at;
    if (!reader.isShort) this.#carryLength = 0;
    this.#payloadLeft = this.#payloadEnd - reached;
    return from + reached - before;
  }

  #keep(data: Uint8Array, from: number, to: number): void {
    const before = this.#carryLength;
    const length = before + to - from;
    if (length > this.#carry.length) {
      const grown = new Uint8Array(Math.min(MAX_FRAME_HEAD_BYTES + CARRY_STEP_BYTES, length * 2 + CARRY_STEP_BYTES));
      grown.set(this.#carry.subarray(0, before));
      this.#carry = grown;
    }
    const carry = this.#carry;
    for (let i = from; i < to; i += 1) carry[before + i - from] = data[i] as number;
    this.#carryLength = length;
  }

  /** Decodes one frame, without its body. On a cut `reader.isShort` is set, and the sink saw nothing of it. */
  #frame(reader: VarintReader): void {
    const type = reader.byte();
    switch (type) {
      case FrameType.PADDING:
        return;
      case FrameType.PROBE:
        this.#isAckEliciting = true;
        this.#failure = this.#sink.probe();
        return;
      case FrameType.CARRIER_RETIRE:
        this.#isAckEliciting = true;
        this.#failure = this.#sink.carrierRetire();
        return;
      case FrameType.ACK:
        return this.#readAck(reader);
      case FrameType.STREAM:
      case FrameType.STREAM_FIN:
      case FrameType.RANGE_DATA:
      case FrameType.RAW:
      case FrameType.RAW_REPLY:
      case FrameType.PATH_CLOSE:
        return this.#readBodyStart(reader, type, reader.varint(), reader.varint(), reader.varint());
      case FrameType.DATAGRAM:
        return this.#readBodyStart(reader, type, reader.varint(), 0, reader.varint());
      case FrameType.MAX_DATA:
      case FrameType.MAX_STREAMS_BIDI:
      case FrameType.MAX_STREAMS_UNI:
      case FrameType.DATA_BLOCKED:
      case FrameType.STREAMS_BLOCKED_BIDI:
      case FrameType.STREAMS_BLOCKED_UNI:
        return this.#readLimit(reader, type, reader.varint());
      case FrameType.RESET_STREAM:
        return this.#readAboutStream(reader, type, reader.varint(), reader.varint(), reader.varint());
      case FrameType.STOP_SENDING:
      case FrameType.MAX_STREAM_DATA:
      case FrameType.STREAM_DATA_BLOCKED:
        return this.#readAboutStream(reader, type, reader.varint(), reader.varint(), 0);
      case FrameType.PRIORITY:
        return this.#readAboutStream(reader, type, reader.varint(), reader.byte(), 0);
      default:
        // spec: WIRE-7
        this.#malformed(`unknown frame type 0x${type.toString(16)}`);
    }
  }

  #readLimit(reader: VarintReader, type: number, limit: number): void {
    if (this.#isUnreadable(reader)) return;
    this.#isAckEliciting = true;
    const sink = this.#sink;
    if (type === FrameType.MAX_DATA) this.#failure = sink.maxData(limit);
    else if (type === FrameType.DATA_BLOCKED) this.#failure = sink.dataBlocked(limit);
    else {
      const direction: StreamDirection = (type & 1) === 1 ? "unidirectional" : "bidirectional";
      if (type <= FrameType.MAX_STREAMS_UNI) this.#failure = sink.maxStreams(direction, limit);
      else this.#failure = sink.streamsBlocked(direction, limit);
    }
  }

  #readAboutStream(reader: VarintReader, type: number, id: number, second: number, third: number): void {
    if (this.#isUnreadable(reader)) return;
    this.#isAckEliciting = true;
    const sink = this.#sink;
    if (type === FrameType.MAX_STREAM_DATA) this.#failure = sink.maxStreamData(id, second);
    else if (type === FrameType.STREAM_DATA_BLOCKED) this.#failure = sink.streamDataBlocked(id, second);
    else if (type === FrameType.RESET_STREAM) this.#failure = sink.resetStream(id, second, third);
    else if (type === FrameType.STOP_SENDING) this.#failure = sink.stopSending(id, second);
    else this.#failure = sink.priority(id, second);
  }

  #readAck(reader: VarintReader): void {
    const ack = this.#ack;
    ack.pathId = reader.varint();
    ack.largest = reader.varint();
    ack.delayMicros = reader.varint();
    const count = reader.varint();
    let end = ack.largest;
    let start = end - reader.varint();
    if (this.#isUnreadable(reader)) return;
    if (count > MAX_ACK_RANGE_COUNT) return this.#malformed(`an ACK of ${count} further ranges`);
    const ranges = ack.ranges;
    const length = 2 * (count + 1);
    // Emptying and filling it again would allocate for every acknowledgement.
    if (ranges.length > length) ranges.length = length;
    ranges[0] = start;
    ranges[1] = end;
    for (let i = 2; i < length; i += 2) {
      end = start - reader.varint() - 2;
      start = end - reader.varint();
      if (this.#isUnreadable(reader)) return;
      ranges[i] = start;
      ranges[i + 1] = end;
    }
    // Each step goes down, so the last one tells for all.
    if (start < 0) return this.#malformed("an ACK of packets below 0");
    this.#failure = this.#sink.ack(ack);
  }

  #readBodyStart(reader: VarintReader, type: number, first: number, second: number, length: number): void {
    if (this.#isUnreadable(reader)) return;
    if (length > this.#payloadEnd - reader.at) return this.#malformed("a frame runs over the end of its packet");
    if (type === FrameType.STREAM || type === FrameType.STREAM_FIN || type === FrameType.RANGE_DATA) {
      if (second + length > MAX_VARINT) return this.#malformed("data ends beyond 2^53 - 1");
    } else if (length > this.#maxBodyBytes(type)) {
      this.#failure = failure(ErrorCode.TOO_LARGE, `${length} bytes in a frame of type 0x${type.toString(16)}`);
      return;
    }
    if (type !== FrameType.PATH_CLOSE) this.#isAckEliciting = true;
    this.#bodyType = type;
    this.#bodyFirst = first;
    this.#bodySecond = second;
    this.#bodyLeft = length;
    if (length === 0) this.#body(NOTHING, 0, 0);
  }

  #maxBodyBytes(type: number): number {
    if (type === FrameType.DATAGRAM) return this.#limits.maxDatagramBytes;
    return type === FrameType.PATH_CLOSE ? this.#limits.maxReasonBytes : this.#limits.maxRawBytes;
  }

  /** Takes what `data` has of the current frame's body. Answers the position reached. */
  #body(data: Uint8Array, from: number, to: number): number {
    const length = Math.min(this.#bodyLeft, to - from);
    const type = this.#bodyType;
    this.#bodyLeft -= length;
    this.#payloadLeft -= length;
    if (this.#bodyLeft === 0) this.#bodyType = NO_BODY;
    if (type === FrameType.STREAM || type === FrameType.STREAM_FIN || type === FrameType.RANGE_DATA) {
      const offset = this.#bodySecond;
      this.#bodySecond = offset + length;
      const piece = viewOf(data, from, length);
      if (type === FrameType.RANGE_DATA) this.#failure = this.#sink.rangeData(this.#bodyFirst, offset, piece);
      else {
        const fin = type === FrameType.STREAM_FIN && this.#bodyLeft === 0;
        this.#failure = this.#sink.streamData(this.#bodyFirst, offset, piece, fin);
      }
    } else this.#collect(type, data, from, length);
    return from + length;
  }

  /** Copies a body that is delivered whole, so that a few bytes do not keep a large buffer alive. */
  #collect(type: number, data: Uint8Array, from: number, length: number): void {
    const whole = this.#collected ?? new Uint8Array(length + this.#bodyLeft);
    whole.set(viewOf(data, from, length), whole.length - this.#bodyLeft - length);
    if (this.#bodyLeft > 0) {
      this.#collected = whole;
      return;
    }
    this.#collected = undefined;
    const sink = this.#sink;
    if (type === FrameType.RAW) this.#failure = sink.raw(this.#bodyFirst, this.#bodySecond, whole);
    else if (type === FrameType.RAW_REPLY) this.#failure = sink.rawReply(this.#bodyFirst, this.#bodySecond, whole);
    else if (type === FrameType.DATAGRAM) this.#failure = sink.datagram(this.#bodyFirst, whole);
    else this.#failure = sink.pathClose(this.#bodyFirst, this.#bodySecond, decodeUtf8(whole));
  }

  /** Whether the numbers just read are meaningless: a cut, or a failure. */
  #isUnreadable(reader: VarintReader): boolean {
    // spec: WIRE-1
    if (reader.isTooLarge) this.#malformed("a number above 2^53 - 1");
    return reader.isTooLarge || reader.isShort;
  }

  #malformed(reason: string): void {
    this.#failure = failure(ErrorCode.FRAME_ENCODING, reason);
  }
}

/** A plain view, whatever kind of array the input is: a Node Buffer's `slice` would not copy. */
function viewOf(data: Uint8Array, from: number, length: number): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset + from, length);
}
