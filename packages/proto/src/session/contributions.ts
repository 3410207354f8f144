import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import {
  CLIENT_MEMBER,
  directionOf,
  homeOf,
  openerOf,
  sequenceOf,
  type MemberId,
  type StreamDirection,
  type StreamId,
} from "../base/ids.ts";
import { SendStream } from "../data/send-stream.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import type { OutgoingFrame } from "./outgoing-frame.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";
import { MaxStreamDataFrame, StreamSender, type SenderObserver, type StreamEntry } from "./stream-entry.ts";

/** Contributors may ask for credit before the home's first frame has arrived; that many such questions are kept. */
const MAX_EARLY_REQUESTS = 256;

/** Contributors that are told to stop and have not acknowledged it, at most; more is what a server makes up. */
const MAX_STOPS = 1024;

/**
 * Bytes that one server puts into a stream of another. On the client: who may, and the credit for it. On a server: the
 * contributions under way. spec: STREAM-7, CREDIT-4
 */
export class Contributions {
  readonly #state: SessionState;
  readonly #own = new Map<StreamId, StreamSender[]>();
  readonly #early: { readonly from: MemberId; readonly id: StreamId }[] = [];
  #changed: StreamSender[] = [];
  /** Server: the question for credit of each contribution. */
  readonly #requests = new Map<StreamSender, ContributionRequest>();
  /** Client: who is being told that a stream takes nothing (more) of it. */
  readonly #stops = new Map<string, StopContributionFrame>();

  constructor(state: SessionState) {
    this.#state = state;
  }

  /**
   * Server: begins writing into a stream at an offset. Credit comes from the client; until then nothing is sent. On a stream of this
   * server's own, what was skipped before can be filled in, and what lies ahead is skipped first.
   */
  open(id: StreamId, offset: number): StreamSender | ProtocolFailure {
    const peer = this.#state.peerOf(CLIENT_MEMBER);
    const isOwn = homeOf(id) === this.#state.config.member;
    const main = isOwn ? this.#state.streams.get(id)?.sender : undefined;
    if (isOwn && main === undefined) return failure(ErrorCode.STREAM_STATE, `stream ${id} is not open for writing here`);
    if (main !== undefined && offset >= main.stream.writtenOffset) {
      if (main.stream.state !== "open") return failure(ErrorCode.STREAM_STATE, `stream ${id} has ended before offset ${offset}`);
      main.stream.skip(offset - main.stream.writtenOffset);
      return main;
    }
    const observer: SenderObserver = { senderChanged: (sender) => this.#changed.push(sender) };
    // The home's own gaps count on credit where the main stream crosses them; filling them later costs nothing more.
    const maxOffset = main === undefined ? offset : main.stream.writtenOffset;
    const stream = new SendStream(id, { maxOffset, startOffset: offset });
    const sender = new StreamSender(stream, peer, observer, main === undefined);
    const list = this.#own.get(id);
    if (list === undefined) this.#own.set(id, [sender]);
    else list.push(sender);
    if (main === undefined) this.ask(sender);
    return sender;
  }

  /** Server: tells the client that credit is wanted. */
  ask(sender: StreamSender): void {
    let request = this.#requests.get(sender);
    if (request === undefined) {
      request = new ContributionRequest(sender);
      this.#requests.set(sender, request);
    }
    sender.peer.frames.push(request);
  }

  /** Server: nothing more is written. What is under way is still brought to its end. */
  close(sender: StreamSender): void {
    const request = this.#requests.get(sender);
    if (request !== undefined) request.isOver = true;
    this.#requests.delete(sender);
    const list = this.#own.get(sender.stream.id);
    if (list?.includes(sender) !== true) return;
    sender.peer.dequeue(sender);
    const rest = list.filter((other) => other !== sender);
    if (rest.length === 0) this.#own.delete(sender.stream.id);
    else this.#own.set(sender.stream.id, rest);
  }

  get hasChanged(): boolean {
    return this.#changed.length > 0;
  }

  /** Contributions whose acknowledgements or credit changed. */
  pollChanged(): StreamSender | undefined {
    return this.#changed.pop();
  }

  /** Server: credit for contributions. Answers whether there is one, and the stream itself lives elsewhere. */
  handleMaxStreamData(peer: Peer, id: StreamId, limit: number): boolean {
    if (this.#state.isClient) return false;
    const list = this.#own.get(id);
    if (list !== undefined) {
      for (const sender of list) {
        if (!sender.isCredited || !sender.stream.handleMaxOffset(limit)) continue;
        peer.enqueue(sender);
        this.#changed.push(sender);
      }
    }
    // A home that contributes to its own stream needs the credit for the stream too.
    return homeOf(id) !== this.#state.config.member;
  }

  /** Client: a member asks for credit on a stream, its own or another's. */
  handleBlocked(from: Peer, id: StreamId): ProtocolFailure | undefined {
    if (!this.#state.isClient || homeOf(id) === from.member) return undefined;
    const entry = this.#state.streams.get(id);
    if (entry !== undefined) {
      if (this.#isOver(entry)) this.#stop(from, id, ErrorCode.STREAM_STATE);
      else this.#grant(from, entry);
      return undefined;
    }
    const home = this.#state.peers.get(homeOf(id));
    const isYetToCome =
      home !== undefined && !home.isLost && openerOf(id) === "server" && sequenceOf(id) >= home.incoming[directionOf(id)].opened;
    if (!isYetToCome || this.#early.length >= MAX_EARLY_REQUESTS) this.#stop(from, id, ErrorCode.STREAM_STATE);
    else if (!this.#early.some((known) => known.from === from.member && known.id === id)) this.#early.push({ from: from.member, id });
    return undefined;
  }

  /** Client: a stream takes nothing more; whoever contributes to it has to know. */
  streamEnded(entry: StreamEntry): void {
    const { contributors } = entry;
    if (contributors === undefined) return;
    entry.contributors = undefined;
    for (const peer of contributors.keys()) this.#stop(peer, entry.id, ErrorCode.STREAM_STATE);
  }

  /** Server: the client takes nothing (more) for a stream. Answers whether that stream lives elsewhere. */
  handleStop(id: StreamId, code: number): boolean {
    if (this.#state.isClient) return false;
    for (const sender of this.#own.get(id) ?? []) {
      sender.stream.stopped(code);
      this.#changed.push(sender);
    }
    return homeOf(id) !== this.#state.config.member;
  }

  /** Client: a stream has appeared; contributors may have been waiting for it. */
  streamOpened(entry: StreamEntry): void {
    for (let i = this.#early.length - 1; i >= 0; i -= 1) {
      const request = this.#early[i];
      if (request?.id !== entry.id) continue;
      this.#early.splice(i, 1);
      const peer = this.#state.peers.get(request.from);
      if (peer !== undefined) this.#grant(peer, entry);
    }
  }

  /** Client: the stream a contributor's data frame belongs to; undefined if it is over. */
  admit(from: Peer, id: StreamId, _direction: StreamDirection): StreamEntry | undefined | ProtocolFailure {
    const entry = this.#state.streams.get(id);
    if (entry === undefined) return undefined;
    return this.#isAllowed(from, entry) ? entry : refusal(from, id);
  }

  #grant(from: Peer, entry: StreamEntry): void {
    const { receive } = entry;
    // Nothing was sent yet: a question is answered, only bytes are a violation. spec: STREAM-7
    if (receive === undefined || !this.#isAllowed(from, entry)) {
      this.#stop(from, entry.id, ErrorCode.PROTOCOL_VIOLATION);
      return;
    }
    entry.contributors ??= new Map();
    let frame = entry.contributors.get(from);
    if (frame === undefined) {
      frame = new MaxStreamDataFrame(entry.id, receive, from);
      entry.contributors.set(from, frame);
    }
    from.frames.push(frame);
  }

  #stop(peer: Peer, id: StreamId, code: ErrorCode): void {
    const key = `${peer.member}:${id}`;
    let frame = this.#stops.get(key);
    if (frame === undefined) {
      if (this.#stops.size >= MAX_STOPS) return;
      frame = new StopContributionFrame(peer, id, code, () => this.#stops.delete(key));
      this.#stops.set(key, frame);
    }
    peer.frames.push(frame);
  }

  #isOver(entry: StreamEntry): boolean {
    const { receive } = entry;
    return receive === undefined || receive.isFinished || receive.stopCode !== undefined || receive.resetCode !== undefined;
  }

  #isAllowed(from: Peer, entry: StreamEntry): boolean {
    return entry.contributions && from.vouchedBy === homeOf(entry.id);
  }
}

function refusal(from: Peer, id: StreamId): ProtocolFailure {
  return failure(ErrorCode.PROTOCOL_VIOLATION, `member ${from.member} may not contribute to stream ${id}`);
}

/** STOP_SENDING to a contributor. */
class StopContributionFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 24;
  readonly #peer: Peer;
  readonly #id: StreamId;
  readonly #code: number;
  readonly #onAcknowledged: () => void;

  constructor(peer: Peer, id: StreamId, code: number, onAcknowledged: () => void) {
    this.#peer = peer;
    this.#id = id;
    this.#code = code;
    this.#onAcknowledged = onAcknowledged;
  }

  encode(encoder: PacketEncoder): boolean {
    encoder.stopSending(this.#id, this.#code);
    return true;
  }

  acknowledged(): void {
    this.#onAcknowledged();
  }

  lost(): void {
    this.#peer.frames.push(this);
  }
}

/** STREAM_DATA_BLOCKED for a contribution: the question for credit. */
class ContributionRequest implements OutgoingFrame {
  isQueued = false;
  /** Nobody wants the answer any more. */
  isOver = false;
  readonly encodedBytes = 24;
  readonly #sender: StreamSender;

  constructor(sender: StreamSender) {
    this.#sender = sender;
  }

  encode(encoder: PacketEncoder): boolean {
    if (this.isOver) return false;
    encoder.streamDataBlocked(this.#sender.stream.id, this.#sender.stream.maxOffset);
    return true;
  }

  acknowledged(): void {}

  lost(): void {
    if (!this.isOver) this.#sender.peer.frames.push(this);
  }
}
