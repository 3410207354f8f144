import { ErrorCode } from "../base/error-codes.ts";
import type { DurationMs, Instant } from "../base/time.ts";
import { body, type ControlMessage } from "../control/control-body.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";
import { StreamSignal } from "./stream-entry.ts";

/** How long the side that was told waits for the other to close the links, and the other for its answer. */
const LINGER_MS: DurationMs = 1_000;

/** The end of a session: told to every member, confirmed by each, then the links close. spec: CLOSE-1 */
export class Closing {
  readonly #state: SessionState;
  readonly #awaited = new Set<Peer>();
  readonly #onMemberLeft: (peer: Peer, reason: string) => void;
  #deadline: Instant | undefined;
  #code = 0;
  #reason = "";
  #areLinksClosed = false;

  constructor(state: SessionState, onMemberLeft: (peer: Peer, reason: string) => void) {
    this.#state = state;
    this.#onMemberLeft = onMemberLeft;
  }

  /** A server leaves the session without ending it for the others: its links close, and the client goes on with what is left. spec: CLOSE-2 */
  depart(reason: string): void {
    this.end(ErrorCode.GOING_AWAY, reason, false, false);
  }

  /** This side closes. */
  start(code: number, reason: string, isApplication: boolean): void {
    if (this.#state.hasEnded) return;
    for (const peer of this.#state.peers.values()) {
      if (peer.isLost || peer.isLeft || this.#state.paths.usableOf(peer.member).length === 0) continue;
      peer.control.send(body("sessionClose", { code, reason, application: isApplication }));
      this.#awaited.add(peer);
    }
    this.end(code, reason, false, isApplication);
  }

  /** The session is over for this side; links stay until the other side knows, or for a moment. */
  end(code: number, reason: string, isRemote: boolean, isApplication: boolean): void {
    const state = this.#state;
    if (state.hasEnded) return;
    state.hasEnded = true;
    this.#code = code;
    this.#reason = reason;
    for (const entry of [...state.streams.values()]) {
      state.streams.signal(entry, StreamSignal.ended | StreamSignal.readable | StreamSignal.writable | StreamSignal.sendDone);
    }
    // What came before the end is acknowledged before it: the other side's streams that are complete end well.
    for (const path of state.paths.all()) if (!path.isFinal) path.requestAck();
    state.emit({ type: "ended", code, reason, remote: isRemote, application: isApplication });
    if (this.#awaited.size === 0 && !isRemote) this.#closeLinks();
    else this.#deadline = state.now + LINGER_MS;
  }

  handleClose(from: Peer, message: ControlMessage<"sessionClose">): void {
    from.control.send(body("sessionCloseAck", {}));
    if (this.#state.isClient && from.member !== this.#state.primary && this.#hasOther(from)) {
      // A secondary leaves; the session is the primary's and the client's to end.
      this.#onMemberLeft(from, message.reason === "" ? "it closed its side of the session" : message.reason);
      return;
    }
    if (this.#state.isClient) {
      // One server closed: the others hear it from the client.
      for (const peer of this.#state.peers.values()) {
        if (peer === from || peer.isLost || peer.isLeft || this.#state.paths.usableOf(peer.member).length === 0) continue;
        peer.control.send(body("sessionClose", { code: message.code, reason: message.reason, application: message.application }));
        this.#awaited.add(peer);
      }
    }
    this.end(message.code, message.reason, true, message.application);
  }

  handleAck(from: Peer): void {
    if (this.#awaited.delete(from) && this.#awaited.size === 0) this.#closeLinks();
  }

  /** No link is left on which anything could be waited for. */
  linksGone(): void {
    if (this.#state.hasEnded) this.#closeLinks();
  }

  nextTimeout(): Instant | undefined {
    return this.#areLinksClosed ? undefined : this.#deadline;
  }

  handleTimeout(now: Instant): void {
    if (this.#deadline !== undefined && now >= this.#deadline) this.#closeLinks();
  }

  /** Nothing is left to do: every link was told to close. */
  get isDone(): boolean {
    return this.#areLinksClosed;
  }

  #hasOther(peer: Peer): boolean {
    for (const other of this.#state.peers.values()) {
      // One that is out of reach for the moment may come back.
      if (other !== peer && !other.isLost && other.isKnown) return true;
    }
    return false;
  }

  #closeLinks(): void {
    if (this.#areLinksClosed) return;
    this.#areLinksClosed = true;
    for (const path of this.#state.paths.all()) {
      if (!path.isFinal) path.setState("closed", this.#reason === "" ? "the session ended" : this.#reason, this.#state.now);
      this.#state.wireOf(path)?.closeLink(this.#code === ErrorCode.NO_ERROR ? ErrorCode.NO_ERROR : this.#code, this.#reason);
    }
  }
}
