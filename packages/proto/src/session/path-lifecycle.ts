import { ErrorCode, errorName } from "../base/error-codes.ts";
import { earlier, type DurationMs, type Instant } from "../base/time.ts";
import { Absences } from "./absences.ts";
import type { ClientPaths } from "./client-paths.ts";
import type { ContentClient } from "./content-client.ts";
import type { ContributionGrants } from "./contribution-grants.ts";
import type { PathWire } from "./path-wire.ts";
import type { Peer } from "./peer.ts";
import type { RawForwarding } from "./raw-forwarding.ts";
import type { SessionPath } from "./session-event.ts";
import { PathCloseFrame } from "./single-frames.ts";
import type { SessionState } from "./session-state.ts";
import { StreamSignal } from "./stream-entry.ts";
import type { Succession } from "./succession.ts";

/** Paths that ended and are still told of, at least; the oldest beyond that are forgotten, some at a time. */
const MAX_ENDED_PATHS = 1000;
const FORGET_EVERY = 100;

interface Parts {
  readonly content: ContentClient;
  readonly grants: ContributionGrants;
  readonly raw: RawForwarding;
  /** Present on a client. */
  readonly clientPaths: ClientPaths | undefined;
  readonly succession: Succession | undefined;
  end(code: number, reason: string, isRemote: boolean, isApplication: boolean): void;
}

/** The life of paths: active, suspect, recovered, dead, closed; and of members that have lost all of theirs. spec: PATH-2, PATH-5, PATH-7 */
export class PathLifecycle {
  readonly #state: SessionState;
  readonly #parts: Parts;
  /** Paths being made, with the time at which that has taken too long. */
  readonly #deadlines = new Map<SessionPath, Instant>();
  /** Paths being removed, with the time at which the link closes whatever is under way. */
  readonly #draining = new Map<PathWire, Instant>();
  readonly #absences: Absences;
  #endedCount = 0;
  /** With what the session ends if no server is found any more. */
  #lastLoss: { readonly code: ErrorCode; readonly reason: string } | undefined;

  constructor(state: SessionState, parts: Parts) {
    this.#state = state;
    this.#parts = parts;
    this.#absences = new Absences(state.limits.graceMs, state.limits.probeIntervalMs);
  }

  /** The process did not run until now: nobody is blamed for that time. spec: RESUME-3 */
  slept(sleptMs: DurationMs, now: Instant): void {
    this.#absences.slept(sleptMs);
    for (const path of this.#state.paths.all()) if (path.isUsable) path.wokeUp(now);
    this.#parts.content.wokeUp(now);
  }

  get isSuspended(): boolean {
    return this.#absences.isSuspended;
  }

  begin(path: SessionPath): void {
    this.#state.emit({ type: "path-added", path });
    this.#deadlines.set(path, this.#state.now + this.#state.limits.handshakeTimeoutMs);
  }

  activate(path: SessionPath, peer: Peer, reason: string): void {
    const state = this.#state;
    this.#deadlines.delete(path);
    this.#absences.end(peer);
    path.setState("active", reason, state.now);
    // Its round trip is known before the first data has to choose between paths.
    path.isProbeWanted = true;
    state.emit({ type: "path-active", path });
    if (this.isSuspended) {
      this.#absences.resume();
      this.#lastLoss = undefined;
      state.emit({ type: "resumed", reason: `path ${path.id} to ${path.address}` });
    }
    this.#resendSuspects(path);
    this.#parts.clientPaths?.active(path);
    this.#parts.clientPaths?.tellPaths(peer);
    this.#parts.succession?.tell(peer);
    this.#parts.succession?.review();
    this.#parts.content.memberChanged(peer);
  }

  /** Silent for a probe timeout: what it owes goes out again elsewhere, if there is an elsewhere. */
  suspect(path: SessionPath): void {
    const state = this.#state;
    const peer = state.peerOf(path.member);
    if (path.state === "active") {
      path.setState("degraded", "no acknowledgement for a probe timeout", state.now);
      state.emit({ type: "path-degraded", path, reason: path.stateReason });
      this.#parts.clientPaths?.report(path);
    }
    if (this.#hasOther(path)) {
      this.#resend(path);
      peer.control.pathLost(path.id);
    }
    this.#parts.content.memberChanged(peer);
  }

  recovered(path: SessionPath): void {
    if (path.state !== "degraded") return;
    path.setState("active", "acknowledgements arrive again", this.#state.now);
    this.#state.emit({ type: "path-recovered", path, reason: path.stateReason });
    this.#parts.clientPaths?.report(path);
    this.#parts.succession?.review();
    this.#resendSuspects(path);
    this.#parts.content.memberChanged(this.#state.peerOf(path.member));
  }

  /** Ends a path not by wish. */
  die(path: SessionPath, code: number, reason: string): void {
    if (path.isFinal) return;
    const wasUsable = path.isUsable;
    const wire = this.#state.wireOf(path);
    if (this.#state.hasEnded) {
      // The other side closes the links of a session that is over: nothing died, and nobody is told.
      path.setState("closed", reason, this.#state.now);
      this.#gone(path, code);
      return;
    }
    const isRemoved = wire !== undefined && this.#draining.delete(wire);
    path.setState(isRemoved ? "closed" : "dead", reason, this.#state.now);
    this.#gone(path, code);
    if (wasUsable) this.#state.emit({ type: isRemoved ? "path-closed" : "path-dead", path, reason });
    else this.#state.emit({ type: "path-failed", path, code, reason });
    this.#parts.clientPaths?.failed(path, code, reason);
    this.#checkReachability(path);
  }

  /** Takes a path out of use by wish: no new data on it, and its link closes when nothing is under way. */
  drain(path: SessionPath, graceMs: number): void {
    const wire = this.#state.wireOf(path);
    if (!path.isUsable || wire === undefined) {
      // It is still being made: nothing is under way on it.
      this.#close(path, ErrorCode.PATH_REMOVED, "removed while it was being made");
      return;
    }
    if (wire.isDraining) return;
    wire.isDraining = true;
    this.#draining.set(wire, this.#state.now + graceMs);
    this.#sayClose(wire);
  }

  /** The other side takes a path out of use, or has nothing under way on it any more. It is the one to close the link. spec: CLOSE-3 */
  peerCloses(path: SessionPath): void {
    const wire = this.#state.wireOf(path);
    if (path.isFinal || wire === undefined) return;
    wire.isPeerClosing = true;
    if (wire.isDraining) return;
    wire.isDraining = true;
    this.#draining.set(wire, this.#state.now + this.#state.limits.graceMs);
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const path of this.#state.paths.all()) if (path.isUsable) next = earlier(next, path.nextTimeout());
    if (this.#deadlines.size > 0) for (const at of this.#deadlines.values()) next = earlier(next, at);
    if (this.#draining.size > 0) for (const at of this.#draining.values()) next = earlier(next, Math.min(at, this.#state.now + 10));
    return earlier(next, this.#absences.nextTimeout());
  }

  handleTimeout(now: Instant): void {
    for (const path of this.#state.paths.all()) {
      if (!path.isUsable) continue;
      const due = path.nextTimeout();
      if (due === undefined || due > now) continue;
      const action = path.handleTimeout(now);
      if (action === "dead") this.die(path, ErrorCode.PATH_DEAD, "it stopped answering");
      else if (action !== undefined) {
        path.isProbeWanted = true;
        if (action === "suspect") this.suspect(path);
      }
    }
    for (const [path, at] of this.#deadlines) {
      if (at > now) continue;
      this.#deadlines.delete(path);
      this.die(path, ErrorCode.TIMEOUT, `no answer within ${this.#state.limits.handshakeTimeoutMs} ms`);
    }
    for (const [wire, at] of this.#draining) {
      if (at > now && wire.path.inFlightBytes > 0) continue;
      const hadSaid = wire.hasSaidClose;
      if (!hadSaid) this.#sayClose(wire);
      // Who began closes when both have nothing under way; the other one waits for that.
      if (at > now && (!hadSaid || !wire.isPeerClosing || !this.#state.isClient)) continue;
      this.#draining.delete(wire);
      this.#close(wire.path, ErrorCode.PATH_REMOVED, "removed as asked");
    }
    this.#absences.looked(now);
    for (let peer = this.#absences.pollOverdue(now); peer !== undefined; peer = this.#absences.pollOverdue(now)) {
      if (peer.isGoingAway) this.#depart(peer);
      else this.loseMember(peer, `no path to it for ${this.#state.limits.graceMs} ms`);
    }
    if (!this.#state.hasEnded && this.#absences.isOver(now) && !this.#hasMember()) this.#giveUp();
  }

  /** What the member says makes no sense any more: it leaves the session, or the session ends with it. */
  expel(peer: Peer, code: ErrorCode, reason: string): void {
    for (const path of [...this.#state.paths.ofMember(peer.member)]) this.#close(path, code, reason);
    this.loseMember(peer, reason, code);
  }

  /** The member will not come back: its streams end, except contents that others go on with. spec: CONTENT-5 */
  loseMember(peer: Peer, reason: string, code: ErrorCode = ErrorCode.NO_PATHS): void {
    if (peer.isLost) return;
    peer.isLost = true;
    this.#absences.end(peer);
    peer.frames.clear();
    peer.messages.clear();
    for (const path of this.#state.paths.ofMember(peer.member)) this.#close(path, ErrorCode.NO_ERROR, reason);
    this.#parts.content.homeLost(peer, reason);
    for (const entry of [...this.#state.streams.values()]) {
      if (entry.peer !== peer) continue;
      // Nobody takes what was written: it need not be held, nor count on what a session may hold.
      entry.sender?.stream.reset(ErrorCode.HOME_LOST);
      if (this.#parts.content.carries(entry)) {
        // What is to be read still comes from others; what was to be sent has nowhere to go.
        entry.sendFailure ??= { code: ErrorCode.HOME_LOST, reason };
        this.#state.streams.signal(entry, StreamSignal.writable | StreamSignal.sendDone);
        continue;
      }
      this.#parts.content.streamEnded(entry, reason);
      entry.failure ??= { code: ErrorCode.HOME_LOST, reason };
      this.#state.streams.signal(entry, StreamSignal.ended | StreamSignal.readable | StreamSignal.writable | StreamSignal.sendDone);
      this.#state.streams.remove(entry);
    }
    this.#parts.content.memberChanged(peer);
    this.#parts.grants.memberLost();
    this.#state.emit({ type: "member-lost", member: peer.member, reason });
    this.#parts.succession?.review();
    if (this.#hasMember()) return;
    this.#lastLoss = { code: peer.hasDeparted ? ErrorCode.GOING_AWAY : code, reason };
    // A client may find another server, or the same one anew, while the session's grace time lasts. spec: RESUME-2
    const mayGoOn = this.#state.isClient && code === ErrorCode.NO_PATHS && (!peer.hasDeparted || this.#hasProspects(peer));
    if (!mayGoOn) this.#giveUp();
  }

  /** The link was closed by a server that leaves, or its time is over: it is not waited for. spec: DRAIN-5 */
  departed(peer: Peer): void {
    if (!peer.isKnown) return;
    peer.isGoingAway = true;
    peer.hasDeparted = true;
  }

  #depart(peer: Peer): void {
    this.departed(peer);
    this.loseMember(peer, "the server is shutting down");
  }

  #giveUp(): void {
    const { code, reason } = this.#lastLoss ?? { code: ErrorCode.NO_PATHS, reason: "no server is left" };
    this.#parts.end(code, reason, false, false);
  }

  #hasMember(): boolean {
    for (const peer of this.#state.peers.values()) if (!peer.isLost && peer.isKnown) return true;
    return false;
  }

  /** Whether somebody else is being dialled or joined. */
  #hasProspects(lost: Peer): boolean {
    if (this.#state.prospects() > 0) return true;
    for (const path of this.#state.paths.all()) if (!path.isFinal && path.member !== lost.member) return true;
    return false;
  }

  /** Ends a path by wish. */
  #close(path: SessionPath, code: number, reason: string): void {
    if (path.isFinal) return;
    path.setState("closed", reason, this.#state.now);
    this.#gone(path, code);
    this.#state.emit({ type: "path-closed", path, reason });
    this.#parts.clientPaths?.failed(path, code, reason);
    this.#checkReachability(path);
  }

  #gone(path: SessionPath, code: number): void {
    this.#deadlines.delete(path);
    this.#endedCount += 1;
    if (this.#endedCount % FORGET_EVERY === 0) this.#state.paths.forgetEnded(MAX_ENDED_PATHS);
    const wire = this.#state.wireOf(path);
    wire?.closeLink(code, `${errorName(code)}: ${path.stateReason}`);
    for (const packet of path.takeUnacknowledged()) {
      if (packet.isResent) continue;
      for (const frame of packet.frames) frame.lost(this.#state.now);
    }
    this.#state.peerOf(path.member).control.pathLost(path.id);
  }

  /** What is owed on suspect paths to the same server has somewhere to go now. */
  #resendSuspects(healthy: SessionPath): void {
    for (const other of this.#state.paths.usableOf(healthy.member)) if (other !== healthy && other.isSuspect) this.suspect(other);
  }

  #resend(path: SessionPath): void {
    for (const packet of path.unacknowledged()) {
      if (packet.isResent) continue;
      packet.isResent = true;
      for (const frame of packet.frames) frame.lost(this.#state.now);
    }
  }

  #sayClose(wire: PathWire): void {
    wire.hasSaidClose = true;
    this.#state.peerOf(wire.path.member).frames.push(new PathCloseFrame(wire.id, ErrorCode.PATH_REMOVED));
  }

  #hasOther(path: SessionPath): boolean {
    for (const other of this.#state.paths.usableOf(path.member)) if (other !== path && !other.isSuspect) return true;
    return false;
  }

  #checkReachability(path: SessionPath): void {
    const state = this.#state;
    const peer = state.peerOf(path.member);
    if (state.paths.usableOf(peer.member).length > 0) {
      this.#parts.content.memberChanged(peer);
      return;
    }
    if (!peer.isKnown) {
      // Never reached: nothing is owed to it. The primary's failure is the session's.
      if (state.isClient && path.isPrimary) this.#parts.end(ErrorCode.UNREACHABLE, path.stateReason, false, false);
      return;
    }
    this.#parts.content.memberChanged(peer);
    this.#parts.raw.memberUnreachable(peer);
    if (!peer.isLost && !peer.hasDeparted) {
      this.#absences.begin(peer, state.now);
      // Who waits for room has all that the credit gives now.
      for (const entry of state.streams.values()) if (entry.peer === peer) state.streams.signal(entry, StreamSignal.writable);
    }
    if (peer.hasDeparted && !peer.isLost) this.#depart(peer);
    this.#checkSuspension(path);
  }

  #checkSuspension(path: SessionPath): void {
    const state = this.#state;
    if (state.hasEnded || this.isSuspended) return;
    for (const other of state.paths.all()) if (other.isUsable) return;
    this.#absences.suspend(state.now);
    state.emit({ type: "suspended", reason: path.stateReason });
  }
}
