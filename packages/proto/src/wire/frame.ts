import type { PathId } from "../base/ids.ts";

/** Types of frames, the first byte of each. Flags inside a type: STREAM bit 0 = FIN; MAX_STREAMS, STREAMS_BLOCKED bit 0 = unidirectional. */
export const FrameType = {
  PADDING: 0x00,
  PROBE: 0x01,
  ACK: 0x02,
  RESET_STREAM: 0x04,
  STOP_SENDING: 0x05,
  STREAM: 0x08,
  STREAM_FIN: 0x09,
  MAX_DATA: 0x10,
  MAX_STREAM_DATA: 0x11,
  MAX_STREAMS_BIDI: 0x12,
  MAX_STREAMS_UNI: 0x13,
  DATA_BLOCKED: 0x14,
  STREAM_DATA_BLOCKED: 0x15,
  STREAMS_BLOCKED_BIDI: 0x16,
  STREAMS_BLOCKED_UNI: 0x17,
  PRIORITY: 0x18,
  RANGE_DATA: 0x20,
  RAW: 0x28,
  RAW_REPLY: 0x29,
  DATAGRAM: 0x30,
  PATH_CLOSE: 0x3c,
  CARRIER_RETIRE: 0x3d,
} as const;

export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Packet flag: a CRC-32 of header and payload follows the payload. All other flag bits must be 0. */
export const FLAG_CHECKSUM = 0x01;

export const CHECKSUM_BYTES = 4;

/** Longest packet header: flags, packet number, payload length. */
export const MAX_PACKET_HEADER_BYTES = 1 + 8 + 8;

/** Most (gap, range) pairs in one ACK after the first range. spec: WIRE-10 */
export const MAX_ACK_RANGE_COUNT = 256;

/** Longest reason in a PATH_CLOSE, in bytes of UTF-8. spec: WIRE-14 */
export const MAX_REASON_BYTES = 1024;

/** What an acknowledgement says: which packets of a path were processed. */
export interface AckFrame {
  /** The path whose packets are acknowledged; not necessarily the one the frame travels on. */
  pathId: PathId;
  /** Highest packet number acknowledged; equals `ranges[1]`. */
  largest: number;
  /** How long the receiver held the acknowledgement of `largest` back, in microseconds. */
  delayMicros: number;
  /**
   * Start and end of each acknowledged range, both inclusive: [start, end, start, end, …], highest range first. Ranges neither
   * overlap nor touch. The encoder sends the highest 257 ranges of it.
   */
  ranges: number[];
}

/**
 * A checksum over `data` that continues from `seed`, the result over the bytes before it (0 at the start); an unsigned 32-bit number.
 * The signature of Node's `zlib.crc32`, which may be passed where it exists.
 */
export type Checksum = (data: Uint8Array, seed: number) => number;
