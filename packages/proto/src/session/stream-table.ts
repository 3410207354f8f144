import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import {
  directionOf,
  homeOf,
  openerOf,
  sequenceOf,
  streamIdOf,
  type MemberId,
  type StreamDirection,
  type StreamId,
  type StreamOpener,
} from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import { ReceiveStream } from "../data/receive-stream.ts";
import { ReceiveWindow } from "../data/receive-window.ts";
import { SendStream } from "../data/send-stream.ts";
import { CREDIT_BEFORE_HELLO, type Peer } from "./peer.ts";
import { StreamEntry, StreamSender, StreamSignal, type SenderObserver } from "./stream-entry.ts";

const DEFAULT_PRIORITY = 128;

/** All logical streams of a session: opening, admitting those of the peer, what changed, and letting go of finished ones. */
export class StreamTable implements SenderObserver {
  readonly #self: StreamOpener;
  /** A server's own member number; on a client that of no home. */
  readonly #selfMember: MemberId;
  readonly #limits: Limits;
  readonly #entries = new Map<StreamId, StreamEntry>();
  readonly #bySender = new Map<StreamSender, StreamEntry>();
  readonly #incoming: StreamEntry[] = [];
  #changed: StreamEntry[] = [];
  /** Told of each stream that is over and forgotten. */
  onRemoved: (entry: StreamEntry) => void = () => undefined;

  constructor(self: StreamOpener, selfMember: MemberId, limits: Limits) {
    this.#self = self;
    this.#selfMember = selfMember;
    this.#limits = limits;
  }

  /** What a client may use unseen, a server has to take. spec: CREDIT-5 */
  get #initialWindowBytes(): number {
    const { initialStreamWindowBytes } = this.#limits;
    return this.#self === "client" ? initialStreamWindowBytes : Math.max(initialStreamWindowBytes, CREDIT_BEFORE_HELLO.streamWindowBytes);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: StreamId): StreamEntry | undefined {
    return this.#entries.get(id);
  }

  values(): IterableIterator<StreamEntry> {
    return this.#entries.values();
  }

  /** Opens a stream to the peer, or answers undefined at its limit. */
  open(peer: Peer, direction: StreamDirection, priority = DEFAULT_PRIORITY): StreamEntry | undefined {
    const sequence = peer.outgoing[direction].nextSequence();
    if (sequence === undefined) return undefined;
    const home = this.#self === "client" ? peer.member : this.#selfMember;
    const id = streamIdOf(home, this.#self, direction, sequence);
    const entry = this.#create(id, peer, true, direction === "bidirectional", false);
    if (entry.sender !== undefined) entry.sender.stream.priority = priority;
    return entry;
  }

  /**
   * The stream of a frame from `from`: the entry, undefined if it is finished and forgotten, or a failure if there can be no such
   * stream. Opens it (and those before it) if the peer may. spec: STREAM-3
   */
  admit(from: Peer, id: StreamId): StreamEntry | undefined | ProtocolFailure {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    const opener = openerOf(id);
    const direction = directionOf(id);
    const sequence = sequenceOf(id);
    const home = homeOf(id);
    if (opener === this.#self) {
      const opened = this.#self === "client" ? undefined : from.outgoing[direction].opened;
      if (opened !== undefined && sequence >= opened) return failure(ErrorCode.STREAM_STATE, `stream ${id} was never opened here`);
      return undefined;
    }
    // What a server opens has itself as home; what a client opens towards this server names this server.
    const expectedHome = this.#self === "client" ? from.member : this.#selfMember;
    if (home !== expectedHome) return undefined;
    const accepted = from.incoming[direction].accept(sequence);
    if ("code" in accepted) return accepted;
    const created = accepted.created;
    if (created === undefined) return undefined;
    for (let s = created.first; s <= created.last; s += 1) {
      const entry = this.#create(streamIdOf(home, opener, direction, s), from, direction === "bidirectional", true, true);
      this.#incoming.push(entry);
    }
    return this.#entries.get(id);
  }

  /** Streams that the other side opened and nobody has taken yet, in order. */
  pollIncoming(): StreamEntry | undefined {
    return this.#incoming.shift();
  }

  signal(entry: StreamEntry, signal: number): void {
    entry.signals |= signal;
    if (entry.isChanged) return;
    entry.isChanged = true;
    this.#changed.push(entry);
  }

  /** A stream with signals; they are cleared by whoever looks. */
  pollChanged(): StreamEntry | undefined {
    const entry = this.#changed.pop();
    if (entry !== undefined) entry.isChanged = false;
    return entry;
  }

  get hasChanged(): boolean {
    return this.#changed.length > 0 || this.#incoming.length > 0;
  }

  senderChanged(sender: StreamSender): void {
    const entry = this.#bySender.get(sender);
    if (entry === undefined) return;
    const state = sender.stream.state;
    if (state === "finished" || state === "reset-acknowledged") {
      this.signal(entry, StreamSignal.sendDone | StreamSignal.writable);
      this.releaseIfFinished(entry);
    } else this.signal(entry, StreamSignal.writable);
  }

  /** Forgets the stream once both halves are done, and lets the peer open another in its place. */
  releaseIfFinished(entry: StreamEntry): void {
    if (entry.isRemoved || !entry.isFinished) return;
    this.remove(entry);
  }

  remove(entry: StreamEntry): void {
    if (entry.isRemoved) return;
    entry.isRemoved = true;
    this.#entries.delete(entry.id);
    entry.peer.duplicateBytes += entry.receive?.duplicateBytes ?? 0;
    if (entry.sender !== undefined) {
      this.#bySender.delete(entry.sender);
      entry.peer.dequeue(entry.sender);
    }
    this.onRemoved(entry);
    this.#allowAnother(entry);
  }

  /** The application has a stream of the peer's; only then can one that is over make room for another. */
  take(entry: StreamEntry): void {
    if (entry.isTaken) return;
    entry.isTaken = true;
    this.#allowAnother(entry);
  }

  /** The client is done with a content in it. */
  offerDone(entry: StreamEntry): void {
    entry.offers -= 1;
    this.#allowAnother(entry);
  }

  /** The peer may open another in the place of one with which everybody is done. */
  #allowAnother(entry: StreamEntry): void {
    if (!entry.isIncoming || !entry.isRemoved || !entry.isTaken || entry.offers > 0) return;
    const direction = directionOf(entry.id);
    const incoming = entry.peer.incoming[direction];
    incoming.closed();
    const limit = incoming.pollUpdate();
    if (limit === undefined) return;
    const frame = entry.peer.streamsFrames[direction];
    frame.limit = limit;
    entry.peer.frames.push(frame);
  }

  #create(id: StreamId, peer: Peer, sends: boolean, receives: boolean, isIncoming: boolean): StreamEntry {
    const limits = this.#limits;
    const send = sends ? new SendStream(id, { maxOffset: peer.initialStreamWindowBytes, priority: DEFAULT_PRIORITY }) : undefined;
    const receive = receives
      ? new ReceiveStream(id, {
          home: peer.member,
          window: new ReceiveWindow(this.#initialWindowBytes, Math.max(limits.maxStreamWindowBytes, this.#initialWindowBytes)),
        })
      : undefined;
    const sender = send === undefined ? undefined : new StreamSender(send, peer, this);
    const entry = new StreamEntry(id, peer, sender, receive, isIncoming);
    this.#entries.set(id, entry);
    if (sender !== undefined) this.#bySender.set(sender, entry);
    return entry;
  }
}
