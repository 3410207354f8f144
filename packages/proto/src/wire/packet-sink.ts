import type { ProtocolFailure } from "../base/error-codes.ts";
import type { PathId, StreamDirection, StreamId } from "../base/ids.ts";
import type { AckFrame } from "./frame.ts";

/**
 * Receives what a `PacketDecoder` reads, in order: `packetBegin`, the packet's frames, `packetEnd`. A failure that a method returns
 * stops the decoder for good. The decoder must not be pushed from inside these calls.
 */
export interface PacketSink {
  /** A packet starts; `payloadBytes` of frames follow. */
  packetBegin(packetNumber: number, payloadBytes: number): ProtocolFailure | undefined;
  probe(): ProtocolFailure | undefined;
  /** The decoder uses `frame` and its `ranges` again for the next ACK: read it within the call, copy what must last. */
  ack(frame: AckFrame): ProtocolFailure | undefined;
  /**
   * A piece of a STREAM frame, as a view of the input that stays valid (and keeps the input's buffer alive). Pieces of one frame come in
   * order with growing offsets; `fin` only with the one that ends the frame. Empty data comes only from an empty frame.
   */
  streamData(id: StreamId, offset: number, data: Uint8Array, fin: boolean): ProtocolFailure | undefined;
  resetStream(id: StreamId, code: number, finalSize: number): ProtocolFailure | undefined;
  stopSending(id: StreamId, code: number): ProtocolFailure | undefined;
  maxData(limit: number): ProtocolFailure | undefined;
  maxStreamData(id: StreamId, limit: number): ProtocolFailure | undefined;
  /** `limit` counts all streams of the direction that may ever be opened, not those open now. */
  maxStreams(direction: StreamDirection, limit: number): ProtocolFailure | undefined;
  dataBlocked(limit: number): ProtocolFailure | undefined;
  streamDataBlocked(id: StreamId, limit: number): ProtocolFailure | undefined;
  streamsBlocked(direction: StreamDirection, limit: number): ProtocolFailure | undefined;
  /** `priority` is 0 to 255. */
  priority(id: StreamId, priority: number): ProtocolFailure | undefined;
  /** A piece of a RANGE_DATA frame; views and pieces as with `streamData`. */
  rangeData(requestId: number, offset: number, data: Uint8Array): ProtocolFailure | undefined;
  /** `data` is a copy that belongs to the receiver. */
  raw(requestId: number, fromPathId: PathId, data: Uint8Array): ProtocolFailure | undefined;
  /** `status` is an error code's number, 0 for success; `data` is a copy that belongs to the receiver. */
  rawReply(requestId: number, status: number, data: Uint8Array): ProtocolFailure | undefined;
  /** `data` is a copy that belongs to the receiver. */
  datagram(number: number, data: Uint8Array): ProtocolFailure | undefined;
  pathClose(pathId: PathId, code: number, reason: string): ProtocolFailure | undefined;
  /** No packet follows this one on its carrier. spec: CARRIER-6 */
  carrierRetire(): ProtocolFailure | undefined;
  /** All bytes of the packet were processed: it may be acknowledged. spec: ACK-1 */
  packetEnd(packetNumber: number, isAckEliciting: boolean, payloadBytes: number): ProtocolFailure | undefined;
}
