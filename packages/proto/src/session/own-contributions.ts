import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import { CLIENT_MEMBER, homeOf, type StreamId } from "../base/ids.ts";
import { SendStream } from "../data/send-stream.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import type { OutgoingFrame } from "./outgoing-frame.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";
import { StreamSender, type SenderObserver } from "./stream-entry.ts";

/** The bytes that this server puts into streams of others, or late into its own: what is under way. spec: STREAM-7, CREDIT-4 */
export class OwnContributions {
  readonly #state: SessionState;
  readonly #own = new Map<StreamId, StreamSender[]>();
  #changed: StreamSender[] = [];
  /** The question for credit of each contribution. */
  readonly #requests = new Map<StreamSender, ContributionRequest>();

  constructor(state: SessionState) {
    this.#state = state;
  }

  /**
   * Begins writing into a stream at an offset. Credit comes from the client; until then nothing is sent. On a stream of this
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

  /** Tells the client that credit is wanted. */
  ask(sender: StreamSender): void {
    let request = this.#requests.get(sender);
    if (request === undefined) {
      request = new ContributionRequest(sender);
      this.#requests.set(sender, request);
    }
    sender.peer.frames.push(request);
  }

  /** Nothing more is written. What is under way is still brought to its end. */
  close(sender: StreamSender): void {
    const request = this.#requests.get(sender);
    if (request !== undefined) request.isOver = true;
    this.#requests.delete(sender);
    const list = this.#own.get(sender.stream.id);
    if (list?.includes(sender) !== true) return;
    // What was sent and is lost still goes out: the client gives credit back only for what it gets.
    if (!sender.isReady) sender.peer.dequeue(sender);
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

  /** The client's credit for contributions. Answers whether there is one, and the stream itself lives elsewhere. */
  handleMaxStreamData(peer: Peer, id: StreamId, limit: number): boolean {
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

  /** The client takes nothing (more) for a stream. Answers whether that stream lives elsewhere. */
  handleStop(id: StreamId, code: number): boolean {
    for (const sender of this.#own.get(id) ?? []) {
      sender.stream.stopped(code);
      this.#changed.push(sender);
    }
    return homeOf(id) !== this.#state.config.member;
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
