import { PRIMARY_MEMBER, type MemberId, type PathId, type StreamDirection } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import { RateLimit } from "../base/rate-limit.ts";
import type { Instant } from "../base/time.ts";
import { ControlChannel } from "../control/control-channel.ts";
import type { ControlMessages } from "../control/control-messages.ts";
import { ReceiveWindow } from "../data/receive-window.ts";
import { SendCredit } from "../data/send-credit.ts";
import { IncomingStreams, OutgoingStreams } from "../data/stream-limits.ts";
import type { Scheduler } from "../schedule/scheduler.ts";
import { StreamQueue } from "../schedule/stream-queue.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import { type OutgoingFrame, OutgoingFrames } from "./outgoing-frame.ts";
import { ReceivedDatagrams } from "./received-datagrams.ts";
import type { Sendable } from "./sendable.ts";

/** What the other side allows at the start; from its hello. */
export interface InitialCredit {
  readonly streamWindowBytes: number;
  readonly sessionWindowBytes: number;
  readonly maxBidirectionalStreams: number;
  readonly maxUnidirectionalStreams: number;
}

/** A server to be used instead of one that leaves. spec: DRAIN-1 */
export interface Replacement {
  /** "host:port" */
  readonly address: string;
  /** "sha256:…" that it has to prove; empty if any server will do that the client trusts. */
  readonly identity: string;
}

/** What a client may use before it knows the server's hello. spec: CREDIT-5 */
export const CREDIT_BEFORE_HELLO: InitialCredit = {
  streamWindowBytes: 256 * 1024,
  sessionWindowBytes: 1024 * 1024,
  maxBidirectionalStreams: 100,
  maxUnidirectionalStreams: 100,
};

export const NO_CREDIT: InitialCredit = {
  streamWindowBytes: 0,
  sessionWindowBytes: 0,
  maxBidirectionalStreams: 0,
  maxUnidirectionalStreams: 0,
};

/** What every peer may send, whatever the own limits. spec: CTRL-19 */
const MIN_CONTROL_PER_SECOND = 1_000;

/** The member at the other end of one or more paths: credit, stream limits, control channel, and what waits to be sent to it. */
export class Peer {
  readonly #waiting = new Set<Sendable>();
  readonly member: MemberId;
  readonly control: ControlChannel;
  /** How many control messages it may send. spec: CTRL-19 */
  readonly controlRate: RateLimit;
  readonly scheduler: Scheduler;
  readonly sendCredit: SendCredit;
  readonly receiveWindow: ReceiveWindow;
  readonly outgoing: { readonly bidirectional: OutgoingStreams; readonly unidirectional: OutgoingStreams };
  readonly incoming: { readonly bidirectional: IncomingStreams; readonly unidirectional: IncomingStreams };
  readonly queue = new StreamQueue<Sendable>();
  readonly frames = new OutgoingFrames();
  /** Raw messages and large datagrams: they wait for room on a path. spec: PATH-11 */
  readonly messages = new OutgoingFrames();
  /** Datagrams that fit into one of a link: they wait for nothing. spec: DGRAM-4 */
  readonly datagrams = new OutgoingFrames();
  readonly creditFrame: MaxDataFrame;
  readonly blockedFrame: DataBlockedFrame;
  readonly streamsFrames: { readonly bidirectional: MaxStreamsFrame; readonly unidirectional: MaxStreamsFrame };
  /** Members whose signed ticket brought it here; the home of a stream vouches for its contributors. spec: STREAM-7 */
  vouchedBy: MemberId | undefined = undefined;
  /** "sha256:…" if the transport proved it. */
  identity: string | undefined = undefined;
  address = "";
  /** Stream credit that its hello gave to streams opened later. */
  initialStreamWindowBytes: number;
  /** Its hello is known. */
  isKnown = false;
  /** It has no path and is waited for: whoever writes to it may use up the credit. spec: RESUME-1 */
  isAway = false;
  /** Gone for good: its streams were reset, nothing is sent to it any more. */
  isLost = false;
  /** It has announced its end: nothing new is begun there if another server can do it. spec: DRAIN-1 */
  isGoingAway = false;
  /** Until when it serves what it has, once it has announced its end. */
  leavesAt: Instant | undefined = undefined;
  /** Its end was by wish: it closed its links so, or its time is over. */
  hasDeparted = false;
  /** Client: it was taken leave of. spec: DRAIN-4 */
  isLeft = false;
  /** Client: what it named to be used instead, best first. */
  replacements: readonly Replacement[] = [];
  /** Client: it is, or was, the session's primary. */
  wasPrimary: boolean;
  /** Client: whom it was told to be primary. */
  toldPrimary: MemberId = PRIMARY_MEMBER;
  /** Client: it was told of all paths once; those that changed while it was out of reach. spec: RESUME-8 */
  isToldOfPaths = false;
  readonly untoldPaths = new Set<PathId>();
  /** When, and for how many streams, its carriers were last looked at. */
  fitCarriersAt = 0;
  fittedStreams = 0;
  /** Number of the next datagram to it. spec: DGRAM-2 */
  nextDatagram = 0;
  readonly receivedDatagrams = new ReceivedDatagrams();
  /** Bytes that were sent to it once more. */
  resentBytes = 0;
  /** Bytes that came in vain: of streams that are over, and of ranges that nobody waited for any more. */
  duplicateBytes = 0;
  /** Bytes of packets with stream or content data. */
  sentDataBytes = 0;
  /** Of these, what went out once more because another path was late. */
  reinjectedBytes = 0;
  /** What went out once more to try a path. */
  trialBytes = 0;
  /** Stream bytes that counted on the connection credit given to it. */
  receivedStreamBytes = 0;

  constructor(
    member: MemberId,
    limits: Limits,
    scheduler: Scheduler,
    credit: InitialCredit,
    isServer: boolean,
    messages: ControlMessages,
    mayGrowWindow?: (bytes: number) => boolean,
  ) {
    this.member = member;
    this.wasPrimary = member === PRIMARY_MEMBER;
    this.control = new ControlChannel(limits, messages);
    const perSecond = Math.max(MIN_CONTROL_PER_SECOND, limits.maxControlMessagesPerSecond);
    this.controlRate = new RateLimit({ perSecond, burst: 2 * perSecond });
    this.scheduler = scheduler;
    this.initialStreamWindowBytes = credit.streamWindowBytes;
    this.sendCredit = new SendCredit(credit.sessionWindowBytes);
    // What a client may use unseen, a server has to take. spec: CREDIT-5
    const floor = isServer ? NO_CREDIT : CREDIT_BEFORE_HELLO;
    const sessionWindowBytes = Math.max(limits.initialSessionWindowBytes, floor.sessionWindowBytes);
    this.receiveWindow = new ReceiveWindow(sessionWindowBytes, Math.max(limits.maxSessionWindowBytes, sessionWindowBytes), mayGrowWindow);
    const maxStreams = Math.max(limits.maxStreams, floor.maxBidirectionalStreams);
    this.outgoing = {
      bidirectional: new OutgoingStreams(credit.maxBidirectionalStreams),
      unidirectional: new OutgoingStreams(credit.maxUnidirectionalStreams),
    };
    this.incoming = { bidirectional: new IncomingStreams(maxStreams), unidirectional: new IncomingStreams(maxStreams) };
    this.creditFrame = new MaxDataFrame(this);
    this.blockedFrame = new DataBlockedFrame(this);
    this.streamsFrames = {
      bidirectional: new MaxStreamsFrame(this, "bidirectional"),
      unidirectional: new MaxStreamsFrame(this, "unidirectional"),
    };
  }

  /** Whether a server that the session trusts answers for it: one that it came with a ticket of, or the client, whose primary it is or was. spec: PRIMARY-4 */
  get isVouched(): boolean {
    return this.wasPrimary || this.vouchedBy !== undefined;
  }

  /** Puts a sender in the queue if it has something to send. */
  enqueue(sendable: Sendable): void {
    if (sendable.isQueued || this.isLost || !sendable.isReady) return;
    sendable.isQueued = true;
    this.queue.add(sendable, sendable.priority);
  }

  /** It has bytes, but the connection credit is used up: back in the queue when that grows. */
  waitForCredit(sendable: Sendable): void {
    this.#waiting.add(sendable);
    this.frames.push(this.blockedFrame);
  }

  releaseWaiting(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const sendable of waiting) this.enqueue(sendable);
  }

  dequeue(sendable: Sendable): void {
    if (this.#waiting.size > 0) this.#waiting.delete(sendable);
    if (!sendable.isQueued) return;
    sendable.isQueued = false;
    this.queue.remove(sendable);
  }
}

class MaxDataFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 16;
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  encode(encoder: PacketEncoder): boolean {
    encoder.maxData(this.#peer.receiveWindow.limit);
    return true;
  }

  acknowledged(): void {}

  lost(): void {
    this.#peer.frames.push(this);
  }
}

class DataBlockedFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 16;
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  encode(encoder: PacketEncoder): boolean {
    if (this.#peer.sendCredit.available > 0) return false;
    encoder.dataBlocked(this.#peer.sendCredit.limit);
    return true;
  }

  acknowledged(): void {}

  lost(): void {
    this.#peer.frames.push(this);
  }
}

class MaxStreamsFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 16;
  /** Cumulative count to announce. */
  limit = 0;
  readonly #peer: Peer;
  readonly #direction: StreamDirection;

  constructor(peer: Peer, direction: StreamDirection) {
    this.#peer = peer;
    this.#direction = direction;
  }

  encode(encoder: PacketEncoder): boolean {
    encoder.maxStreams(this.#direction, this.limit);
    return true;
  }

  acknowledged(): void {}

  lost(): void {
    this.#peer.frames.push(this);
  }
}
