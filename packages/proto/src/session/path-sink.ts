import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import { type CarrierId, directionOf, homeOf, type PathId, type StreamDirection, type StreamId } from "../base/ids.ts";
import type { AckFrame } from "../wire/frame.ts";
import type { PacketSink } from "../wire/packet-decoder.ts";
import type { ContentClient } from "./content-client.ts";
import type { ContributionGrants } from "./contribution-grants.ts";
import type { OwnContributions } from "./own-contributions.ts";
import type { Peer } from "./peer.ts";
import type { RawExchange } from "./raw-exchange.ts";
import type { RawForwarding } from "./raw-forwarding.ts";
import type { ReceiveCredit } from "./receive-credit.ts";
import type { SessionPath } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";
import { StreamSignal, type StreamEntry } from "./stream-entry.ts";

/** The parts of a session that frames go to. */
export interface FrameTargets {
  readonly state: SessionState;
  readonly content: ContentClient;
  readonly credit: ReceiveCredit;
  readonly grants: ContributionGrants;
  readonly raw: RawForwarding;
  /** Present on a server. */
  readonly server: { readonly contributions: OwnContributions; readonly raw: RawExchange } | undefined;
  /** An acknowledgement arrived, on whichever path. */
  handleAck(ack: AckFrame, from: Peer): ProtocolFailure | undefined;
  handlePathClose(pathId: PathId, code: number, reason: string, from: Peer): void;
}

type Outcome = ProtocolFailure | undefined;

/** Takes the frames of one carrier's packets to the facts they change. */
export class PathSink implements PacketSink {
  readonly #path: SessionPath;
  readonly #peer: Peer;
  readonly #targets: FrameTargets;
  readonly #state: SessionState;
  readonly #carrier: CarrierId;
  /** CARRIER_RETIRE came: the packet that it came in is the last. */
  #isRetired = false;

  constructor(path: SessionPath, peer: Peer, targets: FrameTargets, carrier: CarrierId) {
    this.#carrier = carrier;
    this.#path = path;
    this.#peer = peer;
    this.#targets = targets;
    this.#state = targets.state;
  }

  packetBegin(): Outcome {
    return this.#isRetired ? failure(ErrorCode.PROTOCOL_VIOLATION, "a packet after CARRIER_RETIRE") : undefined;
  }

  packetEnd(packetNumber: number, isAckEliciting: boolean, payloadBytes: number): Outcome {
    const result = this.#path.handlePacket(this.#state.now, packetNumber, isAckEliciting, payloadBytes);
    if (typeof result === "object") return result;
    return this.#isRetired ? this.#retire() : undefined;
  }

  probe(): Outcome {
    this.#path.requestAck();
    return undefined;
  }

  ack(frame: AckFrame): Outcome {
    return this.#targets.handleAck(frame, this.#peer);
  }

  streamData(id: StreamId, offset: number, data: Uint8Array, fin: boolean): Outcome {
    // What still comes in for a session that is over has nobody to go to.
    if (this.#state.hasEnded) return undefined;
    // Who overdrew is held to that one packet, on whatever path it comes back.
    const overdrawn = this.#count(0);
    if (overdrawn !== undefined) return overdrawn;
    const entry = this.#admitData(id);
    if (entry === undefined) {
      // The stream is over: a copy that came first had ended it.
      this.#peer.duplicateBytes += data.length;
      return undefined;
    }
    if ("code" in entry) return entry;
    const receive = entry.receive;
    if (receive === undefined) return failure(ErrorCode.STREAM_STATE, `data on stream ${id}, which this side only sends on`);
    const counted = receive.handleData(this.#peer.member, offset, data, fin, this.#state.arrival);
    if (typeof counted !== "number") return counted;
    if (counted > 0) {
      const refused = this.#count(counted);
      if (refused !== undefined) return refused;
    }
    this.#afterArrival(entry);
    return undefined;
  }

  resetStream(id: StreamId, code: number, finalSize: number): Outcome {
    const entry = this.#admitOwn(id);
    if (entry === undefined) return undefined;
    if ("code" in entry) return entry;
    const receive = entry.receive;
    if (receive === undefined) return failure(ErrorCode.STREAM_STATE, `a reset of stream ${id}, which this side only sends on`);
    const counted = receive.handleReset(this.#peer.member, code, finalSize);
    if (typeof counted !== "number") return counted;
    if (counted > 0) {
      const refused = this.#count(counted);
      if (refused !== undefined) return refused;
    }
    if (receive.resetCode !== undefined) {
      this.#targets.content.streamEnded(entry, "the home reset the stream");
      this.#targets.grants.streamEnded(entry);
    }
    this.#afterArrival(entry);
    return undefined;
  }

  stopSending(id: StreamId, code: number): Outcome {
    if (this.#targets.server?.contributions.handleStop(id, code) === true) return undefined;
    const entry = this.#admitOwn(id);
    if (entry === undefined) return undefined;
    if ("code" in entry) return entry;
    const sender = entry.sender;
    if (sender === undefined) return failure(ErrorCode.STREAM_STATE, `stop-sending for stream ${id}, which this side only reads`);
    sender.stream.stopped(code);
    this.#peer.dequeue(sender);
    if (sender.stream.resetPending) this.#peer.frames.push(sender.resetFrame);
    this.#state.streams.signal(entry, StreamSignal.stopped | StreamSignal.writable);
    return undefined;
  }

  maxData(limit: number): Outcome {
    if (this.#peer.sendCredit.raise(limit)) this.#peer.releaseWaiting();
    return undefined;
  }

  maxStreamData(id: StreamId, limit: number): Outcome {
    if (this.#targets.server?.contributions.handleMaxStreamData(this.#peer, id, limit) === true) return undefined;
    const entry = this.#admitOwn(id);
    if (entry === undefined) return undefined;
    if ("code" in entry) return entry;
    const sender = entry.sender;
    if (sender === undefined) return failure(ErrorCode.STREAM_STATE, `credit for stream ${id}, which this side only reads`);
    if (sender.stream.handleMaxOffset(limit)) {
      this.#peer.enqueue(sender);
      this.#state.streams.signal(entry, StreamSignal.writable);
    }
    return undefined;
  }

  maxStreams(direction: StreamDirection, limit: number): Outcome {
    if (this.#peer.outgoing[direction].raise(limit)) this.#state.emit({ type: "streams-allowed", direction, member: this.#peer.member });
    return undefined;
  }

  dataBlocked(): Outcome {
    return undefined;
  }

  streamDataBlocked(id: StreamId): Outcome {
    return this.#targets.server === undefined ? this.#targets.grants.handleBlocked(this.#peer, id) : undefined;
  }

  streamsBlocked(): Outcome {
    return undefined;
  }

  priority(id: StreamId, priority: number): Outcome {
    const entry = this.#admitOwn(id);
    if (entry === undefined) return undefined;
    if ("code" in entry) return entry;
    // The opener's wish holds for what this side sends on the stream too.
    if (entry.isIncoming && entry.sender !== undefined) entry.sender.stream.priority = priority;
    return undefined;
  }

  rangeData(requestId: number, offset: number, data: Uint8Array): Outcome {
    // Kept until its block is verified, and delivered as it is.
    this.#state.arrival?.leave();
    return this.#targets.content.handleRangeData(this.#peer, requestId, offset, data);
  }

  raw(requestId: number, fromPathId: PathId, data: Uint8Array): Outcome {
    const { server } = this.#targets;
    return server === undefined
      ? failure(ErrorCode.PROTOCOL_VIOLATION, `member ${this.#peer.member} sent a RAW frame to the client`)
      : server.raw.handleRequestFrame(this.#peer, requestId, fromPathId, data);
  }

  rawReply(requestId: number, status: number, data: Uint8Array): Outcome {
    return this.#targets.raw.handleReplyFrame(this.#peer, requestId, status, data);
  }

  datagram(number: number, data: Uint8Array): Outcome {
    if (this.#peer.receivedDatagrams.accept(number)) this.#state.emit({ type: "datagram", data });
    return undefined;
  }

  pathClose(pathId: PathId, code: number, reason: string): Outcome {
    this.#targets.handlePathClose(pathId, code, reason, this.#peer);
    return undefined;
  }

  carrierRetire(): Outcome {
    if (this.#isRetired) return failure(ErrorCode.PROTOCOL_VIOLATION, "a second CARRIER_RETIRE");
    this.#isRetired = true;
    return undefined;
  }

  /** Only now all that came on the carrier was processed; before that it must not end. spec: CARRIER-6 */
  #retire(): Outcome {
    // Answers are sent where carriers are opened and given back.
    this.#peer.fitCarriersAt = 0;
    return this.#state.wireOf(this.#path)?.carrierRetired(this.#carrier);
  }

  /** The stream of a frame that only its own two ends may send; a member has no say in the streams of another. spec: STREAM-6 */
  #admitOwn(id: StreamId): StreamEntry | undefined | ProtocolFailure {
    const entry = this.#state.streams.admit(this.#peer, id);
    if (entry === undefined || "code" in entry || entry.peer === this.#peer) return entry;
    return failure(ErrorCode.PROTOCOL_VIOLATION, `member ${this.#peer.member} has no say in stream ${id}, whose home is another`);
  }

  /** The stream of a data frame, or why there is none; bytes of a member that is not the home are contributions. spec: STREAM-7 */
  #admitData(id: StreamId): StreamEntry | undefined | ProtocolFailure {
    if (!this.#state.isClient || homeOf(id) === this.#peer.member) return this.#state.streams.admit(this.#peer, id);
    return this.#targets.grants.admit(this.#peer, id, directionOf(id));
  }

  #afterArrival(entry: StreamEntry): void {
    const receive = entry.receive;
    if (receive === undefined) return;
    let signal = 0;
    if (receive.readableBytes > 0) signal |= StreamSignal.readable;
    if (receive.resetCode !== undefined || receive.isFinished) signal |= StreamSignal.ended | StreamSignal.readable;
    this.#targets.credit.settle(entry);
    if (signal !== 0) this.#state.streams.signal(entry, signal);
    this.#state.streams.releaseIfFinished(entry);
  }

  /** Counts new bytes on the connection's credit. spec: CREDIT-1 */
  #count(bytes: number): Outcome {
    const peer = this.#peer;
    peer.receivedStreamBytes += bytes;
    if (peer.receivedStreamBytes > peer.receiveWindow.limit) {
      return failure(
        ErrorCode.FLOW_CONTROL,
        `member ${peer.member} sent ${peer.receivedStreamBytes} bytes with credit for ${peer.receiveWindow.limit}`,
      );
    }
    return undefined;
  }
}
