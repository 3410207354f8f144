import { ErrorCode, knownCode, type ProtocolFailure } from "../base/error-codes.ts";
import type { PathId } from "../base/ids.ts";
import { body } from "../control/control-body.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import type { OutgoingFrame } from "./outgoing-frame.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";

/** Replies that wait for a server that does not acknowledge them, at most, in bytes; it may ask for no more before that. */
const MAX_REPLY_BACKLOG_BYTES = 8 * 1024 * 1024;

/**
 * Raw messages between servers, through the client: a server hands one over on the control plane; the client takes it to the other server in a frame,
 * and brings the reply back the same way. spec: RAW-1, RAW-2
 */
export class RawForwarding {
  readonly #state: SessionState;
  /** Forwarded requests, by the number they have on the target's side. */
  readonly #forwarded = new Map<number, { readonly from: Peer; readonly to: Peer; readonly requestId: number; readonly frame: RawFrame }>();
  #nextForward = 1;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** A server wants a raw message taken to another. */
  handleMessage(from: Peer, requestId: number, targetPath: PathId, data: Uint8Array): void {
    const refuse = (code: ErrorCode, reason: string): void => this.#answer(from, requestId, code, reason, new Uint8Array(0));
    const path = this.#state.paths.byId(targetPath);
    if (data.length > this.#state.limits.maxRawBytes)
      return refuse(ErrorCode.TOO_LARGE, `a raw message has at most ${this.#state.limits.maxRawBytes} bytes`);
    if (from.control.unacknowledgedBytes > MAX_REPLY_BACKLOG_BYTES)
      return refuse(ErrorCode.LIMIT_REACHED, "earlier replies are not acknowledged");
    const to = path === undefined ? undefined : this.#state.peers.get(path.member);
    if (path === undefined || to === undefined) return refuse(ErrorCode.RAW_REFUSED, `path ${targetPath} is not known in this session`);
    if (!from.isVouched || !to.isVouched) return refuse(ErrorCode.RAW_REFUSED, "raw messages need two servers of the same cluster");
    if (to.member === from.member) return refuse(ErrorCode.RAW_REFUSED, `path ${targetPath} ends at the sender itself`);
    if (this.#state.paths.usableOf(to.member).length === 0) return refuse(ErrorCode.PATH_DEAD, `path ${targetPath} is ${path.state}`);
    if (this.#forwardedTo(to) >= this.#state.limits.maxRawOutstanding)
      return refuse(ErrorCode.LIMIT_REACHED, `too many raw messages under way to the server of path ${targetPath}`);
    const fromPath = this.#state.paths.usableOf(from.member)[0]?.id ?? 0;
    const forwardId = this.#nextForward++;
    const frame = new RawFrame(to, forwardId, fromPath, data);
    this.#forwarded.set(forwardId, { from, to, requestId, frame });
    to.messages.push(frame);
  }

  /** The reply of the target; late ones are dropped. */
  handleReplyFrame(from: Peer, requestId: number, status: number, data: Uint8Array): ProtocolFailure | undefined {
    const forwarded = this.#forwarded.get(requestId);
    if (forwarded === undefined || forwarded.to !== from) return undefined;
    this.#forwarded.delete(requestId);
    forwarded.frame.isCancelled = true;
    this.#answer(forwarded.from, forwarded.requestId, knownCode(status), "", data);
    return undefined;
  }

  /** No path to the member is left; what it owes is answered with PATH_DEAD. What it is owed waits for it to come back. */
  memberUnreachable(member: Peer): void {
    for (const [forwardId, forwarded] of this.#forwarded) {
      if (forwarded.to !== member) continue;
      this.#forwarded.delete(forwardId);
      forwarded.frame.isCancelled = true;
      this.#answer(forwarded.from, forwarded.requestId, ErrorCode.PATH_DEAD, "the target's path died before its reply", new Uint8Array(0));
    }
  }

  /** Whether a message to or from the member waits for its answer. */
  concerns(member: Peer): boolean {
    for (const forwarded of this.#forwarded.values()) if (forwarded.to === member || forwarded.from === member) return true;
    return false;
  }

  #forwardedTo(member: Peer): number {
    let count = 0;
    for (const forwarded of this.#forwarded.values()) if (forwarded.to === member) count += 1;
    return count;
  }

  #answer(to: Peer, requestId: number, code: number, reason: string, data: Uint8Array): void {
    if (to.isLost) return;
    const refused = to.control.send(body("rawReply", { requestId, code, reason, data }));
    // A reply that no control message can carry: the asker must hear something. spec: CTRL-2
    if (refused?.code === ErrorCode.TOO_LARGE)
      to.control.send(body("rawReply", { requestId, code: refused.code, reason: refused.reason, data: new Uint8Array(0) }));
  }
}

class RawFrame implements OutgoingFrame {
  isQueued = false;
  isCancelled = false;
  readonly #peer: Peer;
  readonly #requestId: number;
  readonly #fromPathId: PathId;
  #data: Uint8Array;

  constructor(peer: Peer, requestId: number, fromPathId: PathId, data: Uint8Array) {
    this.#peer = peer;
    this.#requestId = requestId;
    this.#fromPathId = fromPathId;
    this.#data = data;
  }

  get encodedBytes(): number {
    return this.#data.length + 24;
  }

  encode(encoder: PacketEncoder): boolean {
    if (this.isCancelled) return false;
    encoder.raw(this.#requestId, this.#fromPathId, this.#data);
    return true;
  }

  acknowledged(): void {
    this.isCancelled = true;
    // The reply may be long in coming; the bytes are not needed any more.
    this.#data = new Uint8Array(0);
  }

  lost(): void {
    if (!this.isCancelled) this.#peer.messages.push(this);
  }
}
