import type { ProtocolFailure } from "../base/error-codes.ts";
import type { StreamId } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";
import type { ReceiveStream } from "../data/receive-stream.ts";
import type { SendStream } from "../data/send-stream.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import { streamFrameOverhead } from "../wire/packet-encoder.ts";
import type { OutgoingFrame } from "./outgoing-frame.ts";
import type { Peer } from "./peer.ts";
import type { Sendable } from "./sendable.ts";
import type { SentFrame } from "./sent-frame.ts";

/** A writer who waits is taken to have this much more, at most: further ahead no scheduler has to look. */
const MAX_EXPECTED_BYTES = 16 * 1024 * 1024;

/** What changed on a stream since its owner last looked; bits of `StreamEntry.signals`. */
export const StreamSignal = { readable: 1, writable: 2, sendDone: 4, stopped: 8, ended: 16 } as const;

/** One logical stream of the session: its halves, and what this side has to tell about it. */
export class StreamEntry {
  readonly id: StreamId;
  /** The member at the other end: the home on a client, the client on a server. */
  readonly peer: Peer;
  readonly sender: StreamSender | undefined;
  readonly receive: ReceiveStream | undefined;
  readonly isIncoming: boolean;
  /** Bits of StreamSignal, cleared by the owner. */
  signals = 0;
  isChanged = false;
  /** Whatever the layer above ties to the stream. */
  owner: unknown = undefined;
  /** Whether the home lets servers that it vouches for contribute. */
  contributions = true;
  /** Members other than the home that were granted credit on this stream. */
  contributors: Map<Peer, MaxStreamDataFrame> | undefined = undefined;
  readonly creditFrame: MaxStreamDataFrame | undefined;
  readonly stopFrame: StopSendingFrame;
  isRemoved = false;
  /** The application has it: streams of the peer that nobody has taken yet count on its limit, even when they are over. */
  isTaken: boolean;
  /** Contents that this side offers in it, and with which the client is not done: with one it counts on the client's limit, even when it is over. spec: CONTENT-21 */
  offers = 0;
  /** Why nothing more can be sent, while what is to be read still comes. */
  sendFailure: ProtocolFailure | undefined = undefined;
  /** Why the stream cannot go on, if it is neither the peer's reset nor the end. */
  failure: ProtocolFailure | undefined = undefined;

  constructor(id: StreamId, peer: Peer, sender: StreamSender | undefined, receive: ReceiveStream | undefined, isIncoming: boolean) {
    this.id = id;
    this.peer = peer;
    this.sender = sender;
    this.receive = receive;
    this.isIncoming = isIncoming;
    this.isTaken = !isIncoming;
    this.creditFrame = receive === undefined ? undefined : new MaxStreamDataFrame(id, receive, peer);
    this.stopFrame = new StopSendingFrame(this);
  }

  /** Both halves have come to their end and been told to the owner. */
  get isFinished(): boolean {
    const sendState = this.sender?.stream.state ?? "finished";
    if (sendState !== "finished" && sendState !== "reset-acknowledged") return false;
    const receive = this.receive;
    if (receive === undefined) return true;
    // A content may have ended the stream before the home said so; what the home still sends needs the account of credit.
    return receive.resetCode !== undefined || (receive.isFinished && receive.isEndedByHome);
  }
}

/** The sending half of a stream, or one contribution, on its way into packets. */
export class StreamSender implements Sendable {
  readonly stream: SendStream;
  readonly peer: Peer;
  isQueued = false;
  /** A writer waits until less than this is unsent, in bytes; 0 if none does. Told once, through `onChange`. */
  wakeBelowBytes = 0;
  /** A writer waited, wrote on and had to wait again, and something was unsent whenever the network said so: more follows. */
  #isPressed = false;
  /** Where a writer waited first since everything was sent. */
  #waitedAt: number | undefined;
  /** Told when the state or the room may have changed. */
  readonly onChange: SenderObserver;
  readonly resetFrame: ResetStreamFrame;
  readonly blockedFrame: StreamDataBlockedFrame;

  /** Whether what it sends counts on the connection's credit. */
  readonly isCredited: boolean;

  constructor(stream: SendStream, peer: Peer, onChange: SenderObserver, isCredited = true) {
    this.isCredited = isCredited;
    this.stream = stream;
    this.peer = peer;
    this.onChange = onChange;
    this.resetFrame = new ResetStreamFrame(this);
    this.blockedFrame = new StreamDataBlockedFrame(this);
  }

  get priority(): number {
    return this.stream.priority;
  }

  get isReady(): boolean {
    return this.stream.isReady;
  }

  get readyBytes(): number {
    return this.stream.readyBytes;
  }

  get expectedBytes(): number {
    const { stream } = this;
    const ready = stream.readyBytes;
    if (!this.#isPressed || stream.state !== "open") return ready;
    const credit = Math.min(
      stream.maxOffset - stream.sentOffset,
      this.isCredited ? this.peer.sendCredit.available : Number.MAX_SAFE_INTEGER,
    );
    return Math.max(ready, Math.min(credit, MAX_EXPECTED_BYTES));
  }

  get carrierKey(): number {
    return Math.floor(this.stream.id / 4);
  }

  /** Something arrived. A writer who is ahead has more to send by then; one that has not pauses. */
  acknowledged(): void {
    if (this.stream.unsentBytes > 0) return;
    this.#isPressed = false;
    this.#waitedAt = undefined;
  }

  /** The writer waits until less than `bytes` are unsent. */
  waitBelow(bytes: number): void {
    this.wakeBelowBytes = bytes;
    const at = this.stream.writtenOffset;
    if (this.#waitedAt === undefined) this.#waitedAt = at;
    else if (at > this.#waitedAt) this.#isPressed = true;
  }

  fill(encoder: PacketEncoder, maxBytes: number, frames: SentFrame[]): number {
    const room = maxBytes - streamFrameOverhead(this.stream.id, this.stream.sentOffset, maxBytes);
    if (room <= 0) return 0;
    const segment = this.stream.take(room, this.isCredited ? this.peer.sendCredit.available : Number.MAX_SAFE_INTEGER);
    if (segment === undefined) return 0;
    if (segment.newBytes > 0 && this.isCredited) this.peer.sendCredit.use(segment.newBytes);
    this.peer.resentBytes += segment.data.length - segment.newBytes;
    const before = encoder.payloadBytes;
    encoder.stream(this.stream.id, segment.offset, segment.data, segment.fin);
    frames.push(new StreamSegmentSent(this, segment.offset, segment.data.length, segment.fin));
    if (this.stream.unsentBytes < this.wakeBelowBytes) {
      this.wakeBelowBytes = 0;
      this.onChange.senderChanged(this);
    }
    return encoder.payloadBytes - before;
  }
}

/** Who follows a sender; a stream or a contribution. */
export interface SenderObserver {
  senderChanged(sender: StreamSender): void;
}

class StreamSegmentSent implements SentFrame {
  readonly #sender: StreamSender;
  readonly #offset: number;
  readonly #length: number;
  readonly #fin: boolean;

  constructor(sender: StreamSender, offset: number, length: number, fin: boolean) {
    this.#sender = sender;
    this.#offset = offset;
    this.#length = length;
    this.#fin = fin;
  }

  copyInto(encoder: PacketEncoder, maxBytes: number): SentFrame | undefined {
    const { stream, peer } = this.#sender;
    const length = Math.min(this.#length, maxBytes - streamFrameOverhead(stream.id, this.#offset, maxBytes));
    const data = stream.copyOf(this.#offset, length);
    if (data === undefined) return undefined;
    const isWhole = length === this.#length;
    const fin = this.#fin && isWhole;
    peer.resentBytes += length;
    encoder.stream(stream.id, this.#offset, data, fin);
    return isWhole ? this : new StreamSegmentSent(this.#sender, this.#offset, length, fin);
  }

  acknowledged(): void {
    this.#sender.stream.markAcked(this.#offset, this.#length, this.#fin);
    this.#sender.acknowledged();
    this.#sender.onChange.senderChanged(this.#sender);
  }

  lost(): void {
    this.#sender.stream.markLost(this.#offset, this.#length, this.#fin);
    this.#sender.peer.enqueue(this.#sender);
  }
}

class ResetStreamFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 32;
  readonly #sender: StreamSender;

  constructor(sender: StreamSender) {
    this.#sender = sender;
  }

  encode(encoder: PacketEncoder): boolean {
    const reset = this.#sender.stream.takeReset();
    if (reset === undefined) return false;
    encoder.resetStream(this.#sender.stream.id, reset.code, reset.finalSize);
    return true;
  }

  acknowledged(): void {
    this.#sender.stream.markResetAcked();
    this.#sender.onChange.senderChanged(this.#sender);
  }

  lost(): void {
    this.#sender.stream.markResetLost();
    if (this.#sender.stream.resetPending) this.#sender.peer.frames.push(this);
  }
}

class StreamDataBlockedFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 24;
  readonly #sender: StreamSender;

  constructor(sender: StreamSender) {
    this.#sender = sender;
  }

  encode(encoder: PacketEncoder): boolean {
    if (!this.#sender.stream.isBlockedByStreamCredit) return false;
    encoder.streamDataBlocked(this.#sender.stream.id, this.#sender.stream.maxOffset);
    return true;
  }

  acknowledged(): void {}

  lost(): void {
    this.#sender.peer.frames.push(this);
  }
}

class StopSendingFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 24;
  readonly #entry: StreamEntry;

  constructor(entry: StreamEntry) {
    this.#entry = entry;
  }

  encode(encoder: PacketEncoder): boolean {
    const code = this.#entry.receive?.stopCode;
    if (code === undefined || this.#entry.isRemoved) return false;
    encoder.stopSending(this.#entry.id, code);
    return true;
  }

  acknowledged(): void {}

  lost(): void {
    this.#entry.peer.frames.push(this);
  }
}

/** Grants credit on a stream; always with the newest limit. */
export class MaxStreamDataFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 24;
  readonly #id: StreamId;
  readonly #receive: ReceiveStream;
  readonly #peer: Peer;

  constructor(id: StreamId, receive: ReceiveStream, peer: Peer) {
    this.#id = id;
    this.#receive = receive;
    this.#peer = peer;
  }

  encode(encoder: PacketEncoder): boolean {
    const { finalSize, highestOffset, home, isFinished } = this.#receive;
    // The home needs no credit once it has sent all; contributors may still be filling in. Where a content has ended the stream for its
    // reader, the home's own end is still to come, and needs credit to get there.
    const isEnough = this.#peer.member === home ? finalSize !== undefined && highestOffset >= finalSize : isFinished;
    if (isEnough) return false;
    encoder.maxStreamData(this.#id, this.#receive.window.limit);
    return true;
  }

  acknowledged(_now: Instant): void {}

  lost(): void {
    this.#peer.frames.push(this);
  }
}
