import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import { directionOf, homeOf, openerOf, sequenceOf, type MemberId, type StreamDirection, type StreamId } from "../base/ids.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import type { OutgoingFrame } from "./outgoing-frame.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";
import { MaxStreamDataFrame, type StreamEntry } from "./stream-entry.ts";

/** Contributors may ask for credit before the home's first frame has arrived; that many such questions are kept. */
const MAX_EARLY_REQUESTS = 256;

/** Contributors that are told to stop and have not acknowledged it, at most; more is what a server makes up. */
const MAX_STOPS = 1024;

/** Bytes that one server puts into a stream of another, as the client sees it: who may, and the credit for it. spec: STREAM-7, CREDIT-4 */
export class ContributionGrants {
  readonly #state: SessionState;
  readonly #early: { readonly from: MemberId; readonly id: StreamId }[] = [];
  /** Who is being told that a stream takes nothing (more) of it. */
  readonly #stops = new Map<string, StopContributionFrame>();

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** A member asks for credit on a stream, its own or another's. */
  handleBlocked(from: Peer, id: StreamId): ProtocolFailure | undefined {
    if (homeOf(id) === from.member) return undefined;
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

  /** A stream takes nothing more; whoever contributes to it has to know. */
  streamEnded(entry: StreamEntry): void {
    const { contributors } = entry;
    if (contributors === undefined) return;
    entry.contributors = undefined;
    for (const peer of contributors.keys()) this.#stop(peer, entry.id, ErrorCode.STREAM_STATE);
  }

  /** A member is lost: nobody opens its streams any more, and whoever waited for one is told. */
  memberLost(): void {
    for (const { from, id } of this.#early.splice(0)) this.handleBlocked(this.#state.peerOf(from), id);
  }

  /** A stream has appeared; contributors may have been waiting for it. */
  streamOpened(entry: StreamEntry): void {
    for (let i = this.#early.length - 1; i >= 0; i -= 1) {
      const request = this.#early[i];
      if (request?.id !== entry.id) continue;
      this.#early.splice(i, 1);
      const peer = this.#state.peers.get(request.from);
      if (peer !== undefined) this.#grant(peer, entry);
    }
  }

  /** The stream a contributor's data frame belongs to; undefined if it is over. */
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
