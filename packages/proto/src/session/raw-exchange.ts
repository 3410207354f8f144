import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { PathId } from "../base/ids.ts";
import { body } from "../control/control-body.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import type { OutgoingFrame } from "./outgoing-frame.ts";
import type { Peer } from "./peer.ts";
import { SeenNumbers } from "./seen-numbers.ts";
import type { SessionState } from "./session-state.ts";

/** A server's raw messages to and from other servers of its session, all of which go through the client. spec: RAW-1, RAW-2 */
export class RawExchange {
  readonly #state: SessionState;
  /** Requests of this server that wait for a reply. */
  readonly #waiting = new Set<number>();
  /** Requests of others that came; a frame may arrive twice when its path died. */
  readonly #seen = new SeenNumbers();
  /** Requests of others that the application has not answered yet. */
  readonly #answering = new Set<number>();
  #nextRequest = 1;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** Sends to the server at the end of `targetPath`; the answer comes as a `raw-reply` event with this number. */
  send(data: Uint8Array, targetPath: PathId): number {
    const requestId = this.#nextRequest++;
    this.#waiting.add(requestId);
    const refused = this.#state.peerOf(0).control.send(body("rawMessage", { requestId, targetPathId: targetPath, data }));
    if (refused !== undefined) this.handleReply(requestId, refused.code, refused.reason, new Uint8Array(0));
    return requestId;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Answers a `raw-request` event. */
  reply(requestId: number, code: number, data: Uint8Array): void {
    this.#answering.delete(requestId);
    const peer = this.#state.peerOf(0);
    peer.messages.push(new RawReplyFrame(peer, requestId, code, data));
  }

  /** A raw message of another server has come. */
  handleRequestFrame(from: Peer, requestId: number, fromPathId: PathId, data: Uint8Array): ProtocolFailure | undefined {
    const seen = this.#seen.take(requestId);
    if (seen === "before") return undefined;
    const { maxRawOutstanding } = this.#state.limits;
    if (from.messages.length > 2 * maxRawOutstanding)
      return failure(ErrorCode.LIMIT_REACHED, "too many raw messages, and no reply is taken");
    // Of a very old one nobody knows whether it was done: not a second time. spec: RAW-2
    if (seen === "forgotten" || this.#answering.size >= maxRawOutstanding) {
      this.reply(requestId, ErrorCode.LIMIT_REACHED, new Uint8Array(0));
      return undefined;
    }
    this.#answering.add(requestId);
    this.#state.emit({ type: "raw-request", requestId, fromPathId, data });
    return undefined;
  }

  /** The reply has come back through the client. */
  handleReply(requestId: number, code: number, reason: string, data: Uint8Array): void {
    if (!this.#waiting.delete(requestId)) return;
    this.#state.emit({ type: "raw-reply", requestId, code, reason, data });
  }

  /** Nobody waits for the reply any more. */
  forget(requestId: number): void {
    this.#waiting.delete(requestId);
  }
}

class RawReplyFrame implements OutgoingFrame {
  isQueued = false;
  #isAcknowledged = false;
  readonly #peer: Peer;
  readonly #requestId: number;
  readonly #code: number;
  readonly #data: Uint8Array;

  constructor(peer: Peer, requestId: number, code: number, data: Uint8Array) {
    this.#peer = peer;
    this.#requestId = requestId;
    this.#code = code;
    this.#data = data;
  }

  get encodedBytes(): number {
    return this.#data.length + 24;
  }

  encode(encoder: PacketEncoder): boolean {
    if (this.#isAcknowledged) return false;
    encoder.rawReply(this.#requestId, this.#code, this.#data);
    return true;
  }

  acknowledged(): void {
    this.#isAcknowledged = true;
  }

  lost(): void {
    if (!this.#isAcknowledged) this.#peer.messages.push(this);
  }
}
