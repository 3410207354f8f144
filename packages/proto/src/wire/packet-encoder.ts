import type { PathId, StreamDirection, StreamId } from "../base/ids.ts";
import {
  type AckFrame,
  type Checksum,
  CHECKSUM_BYTES,
  FLAG_CHECKSUM,
  FrameType,
  MAX_ACK_RANGE_COUNT,
  MAX_PACKET_HEADER_BYTES,
  MAX_REASON_BYTES,
} from "./frame.ts";
import { encodeUtf8 } from "./utf8.ts";
import { MAX_VARINT, MAX_VARINT_BYTES, varintLength, writeVarint } from "./varint.ts";

/** Data from this size on travels as a part of its own, by reference; below it is copied beside the frame headers. */
export const REFERENCE_FROM_BYTES = 1024;

/** A session that says little makes do with a small slab. */
const FIRST_SLAB_BYTES = 4 * 1024;
const MAX_SLAB_BYTES = 64 * 1024;
/** A packet begins in a slab only if this much room is left, so that short packets stay in one part. */
const MIN_BEGIN_ROOM = MAX_PACKET_HEADER_BYTES + 128;
/** Up to here a loop beats `Uint8Array.set`. */
const LOOP_COPY_BYTES = 24;
const NOTHING = new Uint8Array(0);

export interface PacketEncoderOptions {
  /** Set on links that do not protect integrity: each packet carries this checksum (`crc32`). Without it, none does. */
  readonly checksum?: Checksum;
}

/**
 * Writes packets: `begin`, any frames, `finish`. Large data is not copied: the parts that `finish` returns refer to it, and it
 * must not change until the link is done with it. Headers lie in slabs that are never written again once handed out.
 * Throws on misuse: frames outside a packet, numbers that are not integers of 0 to 2^53 - 1.
 */
export class PacketEncoder {
  readonly #checksum: Checksum | undefined;

  #slab: Uint8Array = NOTHING;
  #at = 0;
  /** End of the usable room: the slab's length inside a packet, 0 outside, so that frames outside a packet take the slow path. */
  #roomEnd = 0;

  #isOpen = false;
  #isAckEliciting = false;
  #packetNumber = 0;
  #parts: Uint8Array[] = [];
  /** Payload bytes before the segment being written. */
  #closedBytes = 0;
  /** Where the bytes in the slab begin that are in no part yet. */
  #segmentStart = 0;
  /** The slab with the room for the packet's header, which ends at `#payloadStart`; the part from there ends at `#headEnd` (-1: still open). */
  #headSlab: Uint8Array = NOTHING;
  #payloadStart = 0;
  #headEnd = -1;

  constructor(options: PacketEncoderOptions = {}) {
    this.#checksum = options.checksum;
  }

  /** Bytes of frames in the packet so far. */
  get payloadBytes(): number {
    return this.#closedBytes + (this.#isOpen ? this.#at - this.#segmentStart : 0);
  }

  /** Whether the packet so far asks for an acknowledgement. spec: WIRE-8 */
  get isAckEliciting(): boolean {
    return this.#isAckEliciting;
  }

  /** Starts a packet. One that was begun and not finished is dropped. */
  begin(packetNumber: number): void {
    // Nothing of a dropped packet was handed out, so its room is free again.
    if (this.#isOpen && this.#slab === this.#headSlab) this.#at = this.#payloadStart - MAX_PACKET_HEADER_BYTES;
    if (this.#at + MIN_BEGIN_ROOM > this.#slab.length) {
      this.#slab = new Uint8Array(this.#nextSlabBytes());
      this.#at = 0;
    }
    this.#at += MAX_PACKET_HEADER_BYTES;
    this.#isOpen = true;
    this.#isAckEliciting = false;
    this.#packetNumber = packetNumber;
    this.#parts = [];
    this.#closedBytes = 0;
    this.#segmentStart = this.#at;
    this.#headSlab = this.#slab;
    this.#payloadStart = this.#at;
    this.#headEnd = -1;
    this.#roomEnd = this.#slab.length;
  }

  probe(): void {
    this.#type(FrameType.PROBE, 1);
  }

  /** Acknowledges; of more than 257 ranges the lowest are left out. */
  ack(frame: AckFrame): void {
    const ranges = frame.ranges;
    if (ranges.length < 2 || ranges[1] !== frame.largest) throw new RangeError("an ACK needs ranges that begin with its largest number");
    const wasEliciting = this.#isAckEliciting;
    const count = Math.min(ranges.length / 2 - 1, MAX_ACK_RANGE_COUNT);
    this.#type(FrameType.ACK, 1 + 5 * MAX_VARINT_BYTES + count * 2 * MAX_VARINT_BYTES);
    this.#isAckEliciting = wasEliciting;
    this.#varint(frame.pathId);
    this.#varint(frame.largest);
    this.#varint(frame.delayMicros);
    this.#varint(count);
    let start = ranges[0] as number;
    this.#varint(frame.largest - start);
    for (let i = 2; i <= count * 2; i += 2) {
      const end = ranges[i + 1] as number;
      this.#varint(start - end - 2);
      start = ranges[i] as number;
      this.#varint(end - start);
    }
  }

  /** Bytes of a stream; data of 1024 bytes and more is referred to, not copied. */
  stream(id: StreamId, offset: number, data: Uint8Array, fin: boolean): void {
    this.#twoNumbersAndData(fin ? FrameType.STREAM_FIN : FrameType.STREAM, id, offset, data, offset);
  }

  resetStream(id: StreamId, code: number, finalSize: number): void {
    this.#type(FrameType.RESET_STREAM, 1 + 3 * MAX_VARINT_BYTES);
    this.#varint(id);
    this.#varint(code);
    this.#varint(finalSize);
  }

  stopSending(id: StreamId, code: number): void {
    this.#twoNumbers(FrameType.STOP_SENDING, id, code);
  }

  maxData(limit: number): void {
    this.#oneNumber(FrameType.MAX_DATA, limit);
  }

  maxStreamData(id: StreamId, limit: number): void {
    this.#twoNumbers(FrameType.MAX_STREAM_DATA, id, limit);
  }

  /** `limit` counts all streams of the direction that may ever be opened. */
  maxStreams(direction: StreamDirection, limit: number): void {
    this.#oneNumber(direction === "unidirectional" ? FrameType.MAX_STREAMS_UNI : FrameType.MAX_STREAMS_BIDI, limit);
  }

  dataBlocked(limit: number): void {
    this.#oneNumber(FrameType.DATA_BLOCKED, limit);
  }

  streamDataBlocked(id: StreamId, limit: number): void {
    this.#twoNumbers(FrameType.STREAM_DATA_BLOCKED, id, limit);
  }

  streamsBlocked(direction: StreamDirection, limit: number): void {
    this.#oneNumber(direction === "unidirectional" ? FrameType.STREAMS_BLOCKED_UNI : FrameType.STREAMS_BLOCKED_BIDI, limit);
  }

  /** `priority` is 0 to 255. */
  priority(id: StreamId, priority: number): void {
    if (!(priority >= 0 && priority <= 255)) throw new RangeError(`${priority} is not a priority`);
    this.#type(FrameType.PRIORITY, 2 + MAX_VARINT_BYTES);
    this.#varint(id);
    this.#slab[this.#at] = priority;
    this.#at += 1;
  }

  /** Bytes of a content that a request asked for; referred to as with `stream`. */
  rangeData(requestId: number, offset: number, data: Uint8Array): void {
    this.#twoNumbersAndData(FrameType.RANGE_DATA, requestId, offset, data, offset);
  }

  raw(requestId: number, fromPathId: PathId, data: Uint8Array): void {
    this.#twoNumbersAndData(FrameType.RAW, requestId, fromPathId, data, 0);
  }

  /** `status` is an error code's number, 0 for success. */
  rawReply(requestId: number, status: number, data: Uint8Array): void {
    this.#twoNumbersAndData(FrameType.RAW_REPLY, requestId, status, data, 0);
  }

  datagram(number: number, data: Uint8Array): void {
    this.#twoNumbers(FrameType.DATAGRAM, number, data.length);
    this.#data(data);
  }

  /** A reason longer than 1024 bytes of UTF-8 is cut at a character. */
  pathClose(pathId: PathId, code: number, reason: string): void {
    const wasEliciting = this.#isAckEliciting;
    this.#twoNumbersAndData(FrameType.PATH_CLOSE, pathId, code, encodeUtf8(reason, MAX_REASON_BYTES), 0);
    this.#isAckEliciting = wasEliciting;
  }

  /** Makes this packet the sender's last on its carrier. spec: CARRIER-6 */
  carrierRetire(): void {
    this.#type(FrameType.CARRIER_RETIRE, 1);
  }

  /** `count` bytes of PADDING. */
  padding(count: number): void {
    if (this.#at + count > this.#roomEnd) this.#nextSlab(count);
    this.#slab.fill(FrameType.PADDING, this.#at, this.#at + count);
    this.#at += count;
  }

  /** Ends the packet and answers its bytes as parts to be sent in order. The array belongs to the caller. Throws if it has no frame. */
  finish(): Uint8Array[] {
    const payloadBytes = this.payloadBytes;
    if (!this.#isOpen || payloadBytes === 0) throw new Error("there is no packet with a frame to finish");
    const parts = this.#parts;
    const start = this.#writeHeader(payloadBytes);
    if (this.#headEnd < 0) {
      this.#segmentStart = start;
      this.#headEnd = start;
    } else parts[0] = this.#headSlab.subarray(start, this.#headEnd);
    if (this.#checksum !== undefined) this.#appendChecksum(this.#checksum);
    this.#closeSegment();
    this.#isOpen = false;
    this.#isAckEliciting = false;
    this.#closedBytes = 0;
    this.#roomEnd = 0;
    this.#parts = [];
    return parts;
  }

  /** Right-aligned against the payload: its length is only known now. Answers where it starts. */
  #writeHeader(payloadBytes: number): number {
    const start = this.#payloadStart - 1 - varintLength(this.#packetNumber) - varintLength(payloadBytes);
    this.#headSlab[start] = this.#checksum === undefined ? 0 : FLAG_CHECKSUM;
    writeVarint(this.#headSlab, writeVarint(this.#headSlab, start + 1, this.#packetNumber), payloadBytes);
    return start;
  }

  #appendChecksum(checksum: Checksum): void {
    let sum = 0;
    for (const part of this.#parts) sum = checksum(part, sum);
    sum = checksum(this.#slab.subarray(this.#segmentStart, this.#at), sum);
    if (this.#at + CHECKSUM_BYTES > this.#roomEnd) this.#nextSlab(CHECKSUM_BYTES);
    const slab = this.#slab;
    slab[this.#at] = sum >>> 24;
    slab[this.#at + 1] = (sum >>> 16) & 0xff;
    slab[this.#at + 2] = (sum >>> 8) & 0xff;
    slab[this.#at + 3] = sum & 0xff;
    this.#at += CHECKSUM_BYTES;
  }

  /** Begins a frame that needs at most `bytes` of the slab; counts it as ack-eliciting. */
  #type(type: number, bytes: number): void {
    if (this.#at + bytes > this.#roomEnd) this.#nextSlab(bytes);
    this.#isAckEliciting = true;
    this.#slab[this.#at] = type;
    this.#at += 1;
  }

  #varint(value: number): void {
    this.#at = writeVarint(this.#slab, this.#at, value);
  }

  #oneNumber(type: number, value: number): void {
    this.#type(type, 1 + MAX_VARINT_BYTES);
    this.#varint(value);
  }

  #twoNumbers(type: number, first: number, second: number): void {
    this.#type(type, 1 + 2 * MAX_VARINT_BYTES);
    this.#varint(first);
    this.#varint(second);
  }

  #twoNumbersAndData(type: number, first: number, second: number, data: Uint8Array, offset: number): void {
    if (offset + data.length > MAX_VARINT) throw new RangeError("the data ends beyond 2^53 - 1");
    this.#type(type, 1 + 3 * MAX_VARINT_BYTES);
    this.#varint(first);
    this.#varint(second);
    this.#varint(data.length);
    this.#data(data);
  }

  #data(data: Uint8Array): void {
    const length = data.length;
    if (length >= REFERENCE_FROM_BYTES) {
      this.#closeSegment();
      this.#parts.push(data);
      this.#closedBytes += length;
      return;
    }
    if (this.#at + length > this.#roomEnd) this.#nextSlab(length);
    const slab = this.#slab;
    const at = this.#at;
    if (length > LOOP_COPY_BYTES) slab.set(data, at);
    else for (let i = 0; i < length; i += 1) slab[at + i] = data[i] as number;
    this.#at = at + length;
  }

  /** Makes the bytes written since the last part a part. The first one waits for the header, and holds a place until then. */
  #closeSegment(): void {
    if (this.#headEnd < 0) {
      this.#headEnd = this.#at;
      this.#parts.push(NOTHING);
    } else if (this.#at > this.#segmentStart) this.#parts.push(this.#slab.subarray(this.#segmentStart, this.#at));
    this.#closedBytes += this.#at - this.#segmentStart;
    this.#segmentStart = this.#at;
  }

  #nextSlabBytes(): number {
    return Math.min(MAX_SLAB_BYTES, Math.max(FIRST_SLAB_BYTES, this.#slab.length * 4));
  }

  #nextSlab(bytes: number): void {
    if (!this.#isOpen) throw new Error("a frame was written outside a packet");
    this.#closeSegment();
    this.#slab = new Uint8Array(Math.max(this.#nextSlabBytes(), bytes));
    this.#roomEnd = this.#slab.length;
    this.#at = 0;
    this.#segmentStart = 0;
  }
}

/** Bytes that a STREAM frame needs besides its data; for packing. RANGE_DATA frames (request id, offset, length) need the same. */
export function streamFrameOverhead(id: StreamId, offset: number, length: number): number {
  return 1 + varintLength(id) + varintLength(offset) + varintLength(length);
}
