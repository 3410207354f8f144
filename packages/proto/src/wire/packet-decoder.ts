import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import { crc32 } from "./crc32.ts";
import { type Checksum, CHECKSUM_BYTES, FLAG_CHECKSUM, MAX_PACKET_HEADER_BYTES, MAX_REASON_BYTES } from "./frame.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import type { PacketSink } from "./packet-sink.ts";
import { VarintReader } from "./varint.ts";

export type { PacketSink };

export interface PacketDecoderOptions {
  /** Largest payload of a packet; a larger one is TOO_LARGE. Raw messages must fit it too. */
  readonly maxPacketBytes: number;
  /** Largest data of a RAW or RAW_REPLY. */
  readonly maxRawBytes: number;
  readonly maxDatagramBytes: number;
  /** Largest reason of a PATH_CLOSE, 1024 by default. */
  readonly maxReasonBytes?: number;
  /** `crc32` by default. */
  readonly checksum?: Checksum;
  /** Set on links that do not protect integrity: a packet without checksum is CHECKSUM_MISMATCH. */
  readonly requireChecksum?: boolean;
}

/**
 * Reads the packets of one carrier from bytes that are cut anywhere and tells a sink what they say, without delay: data of streams and
 * ranges is passed on in pieces as it arrives. Only of a packet with checksum nothing is told before all of it was verified.
 * After a failure the decoder stays failed.
 */
export class PacketDecoder {
  readonly #sink: PacketSink;
  readonly #maxPacketBytes: number;
  readonly #checksum: Checksum;
  readonly #requireChecksum: boolean;
  readonly #frames: FrameDecoder;
  readonly #reader = new VarintReader();

  #failure: ProtocolFailure | undefined;
  #packetNumber = 0;
  #payloadBytes = 0;
  /** Payload bytes to come of the current packet; 0 between packets. */
  #payloadLeft = 0;

  /** Start of a packet header that lies across a cut. */
  readonly #head = new Uint8Array(MAX_PACKET_HEADER_BYTES);
  #headLength = 0;

  #hasChecksum = false;
  /** Checksum of the current packet's header. */
  #headSum = 0;
  /** Payload and checksum of a packet that lies across a cut and must be verified first. */
  #held: Uint8Array | undefined;
  #heldLength = 0;

  constructor(sink: PacketSink, options: PacketDecoderOptions) {
    this.#sink = sink;
    this.#maxPacketBytes = options.maxPacketBytes;
    this.#checksum = options.checksum ?? crc32;
    this.#requireChecksum = options.requireChecksum ?? false;
    this.#frames = new FrameDecoder(sink, {
      maxRawBytes: options.maxRawBytes,
      maxDatagramBytes: options.maxDatagramBytes,
      maxReasonBytes: options.maxReasonBytes ?? MAX_REASON_BYTES,
    });
  }

  /**
   * Bytes kept between two pushes. With checksums at most a packet, otherwise at most the largest body of RAW, RAW_REPLY, DATAGRAM
   * or PATH_CLOSE that the limits allow, or an ACK of about 4 KiB.
   */
  get heldBytes(): number {
    return this.#headLength + (this.#held?.length ?? 0) + this.#frames.heldBytes;
  }

  /** False while part of a packet was pushed and its end was not. */
  get isBetweenPackets(): boolean {
    return this.#headLength === 0 && this.#payloadLeft === 0;
  }

  /**
   * Takes the next bytes of the carrier. The sink may keep views of `data`, which must not change any more. Answers a failure, from
   * the bytes (FRAME_ENCODING, TOO_LARGE, CHECKSUM_MISMATCH) or the sink's own; and the same one from then on.
   */
  push(data: Uint8Array): ProtocolFailure | undefined {
    let at = 0;
    while (this.#failure === undefined && at < data.length) {
      if (this.#payloadLeft === 0) at = this.#header(data, at);
      else if (this.#hasChecksum) at = this.#verified(data, at);
      else at = this.#payload(data, at);
    }
    this.#reader.release();
    return this.#failure;
  }

  /** Reads a packet header, or its part. Answers the position reached. */
  #header(data: Uint8Array, from: number): number {
    const before = this.#headLength;
    const reader = this.#reader;
    let bytes = data;
    let start = from;
    if (before > 0) {
      const taken = Math.min(data.length - from, MAX_PACKET_HEADER_BYTES - before);
      for (let i = 0; i < taken; i += 1) this.#head[before + i] = data[from + i] as number;
      bytes = this.#head;
      start = 0;
      reader.reset(bytes, 0, before + taken);
    } else reader.reset(bytes, from, data.length);

    const flags = reader.byte();
    const packetNumber = reader.varint();
    const payloadBytes = reader.varint();
    if ((flags & ~FLAG_CHECKSUM) !== 0) return this.#fail(ErrorCode.FRAME_ENCODING, `unknown packet flags 0x${flags.toString(16)}`);
    if (reader.isTooLarge) return this.#fail(ErrorCode.FRAME_ENCODING, "a number above 2^53 - 1 in a packet header");
    if (reader.isShort) {
      // Shorter than a header, so it fits.
      if (before === 0) for (let i = from; i < data.length; i += 1) this.#head[i - from] = data[i] as number;
      this.#headLength = before + data.length - from;
      return data.length;
    }
    if (payloadBytes === 0) return this.#fail(ErrorCode.FRAME_ENCODING, "a packet without frames");
    if (payloadBytes > this.#maxPacketBytes) return this.#fail(ErrorCode.TOO_LARGE, `a packet of ${payloadBytes} bytes`);
    this.#hasChecksum = flags === FLAG_CHECKSUM;
    this.#headLength = 0;
    this.#packetNumber = packetNumber;
    this.#payloadBytes = payloadBytes;
    this.#payloadLeft = payloadBytes;
    if (this.#hasChecksum) this.#headSum = this.#checksum(bytes.subarray(start, reader.at), 0);
    else if (this.#requireChecksum) return this.#fail(ErrorCode.CHECKSUM_MISMATCH, "a packet without checksum on a link that needs it");
    else this.#begin();
    return reader.at - start + from - before;
  }

  /** Decodes what `data` has of a packet without checksum. */
  #payload(data: Uint8Array, from: number): number {
    const to = Math.min(data.length, from + this.#payloadLeft);
    this.#payloadLeft -= to - from;
    this.#failure = this.#frames.push(data, from, to);
    if (this.#payloadLeft === 0 && this.#failure === undefined) this.#end();
    return to;
  }

  /** Verifies and decodes a packet with checksum when it is complete, or keeps what `data` has of it. */
  #verified(data: Uint8Array, from: number): number {
    const total = this.#payloadBytes + CHECKSUM_BYTES;
    if (this.#held === undefined && data.length - from >= total) {
      this.#decodeVerified(data, from);
      return from + total;
    }
    this.#held ??= new Uint8Array(total);
    const to = Math.min(data.length, from + total - this.#heldLength);
    this.#held.set(data.subarray(from, to), this.#heldLength);
    this.#heldLength += to - from;
    if (this.#heldLength === total) {
      const held = this.#held;
      this.#held = undefined;
      this.#heldLength = 0;
      this.#decodeVerified(held, 0);
    }
    return to;
  }

  #decodeVerified(data: Uint8Array, from: number): void {
    const to = from + this.#payloadBytes;
    const given =
      (((data[to] as number) << 24) | ((data[to + 1] as number) << 16) | ((data[to + 2] as number) << 8) | (data[to + 3] as number)) >>> 0;
    // spec: WIRE-6
    if (this.#checksum(data.subarray(from, to), this.#headSum) !== given) {
      this.#fail(ErrorCode.CHECKSUM_MISMATCH, `packet ${this.#packetNumber} does not match its checksum`);
      return;
    }
    this.#payloadLeft = 0;
    this.#begin();
    if (this.#failure !== undefined) return;
    this.#failure = this.#frames.push(data, from, to);
    if (this.#failure === undefined) this.#end();
  }

  #begin(): void {
    this.#frames.begin(this.#payloadBytes);
    this.#failure = this.#sink.packetBegin(this.#packetNumber, this.#payloadBytes);
  }

  #end(): void {
    this.#failure = this.#sink.packetEnd(this.#packetNumber, this.#frames.isAckEliciting, this.#payloadBytes);
  }

  #fail(code: ErrorCode, reason: string): number {
    this.#failure = failure(code, reason);
    return Number.MAX_SAFE_INTEGER;
  }
}
