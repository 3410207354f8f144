import { clipText, MAX_REASON_LENGTH } from "../base/clip-text.ts";
import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import { CLIENT_MEMBER } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";
import { Path } from "../path/path.ts";
import type { ControlReader } from "./control-reader.ts";
import { adoptCredit, helloReply } from "./hello.ts";
import type { Opening, PathAcceptor } from "./path-acceptor.ts";
import type { PathLifecycle } from "./path-lifecycle.ts";
import type { LinkInfo } from "./path-opening.ts";
import { PathSink, type FrameTargets } from "./path-sink.ts";
import { PathWire } from "./path-wire.ts";
import type { SentFrame } from "./sent-frame.ts";
import type { SessionPath } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";

/** What the beginning of a path at a server changes. */
export interface PathAcceptanceParts {
  readonly lifecycle: PathLifecycle;
  readonly control: ControlReader;
  /** Where the frames of its packets go. */
  readonly targets: FrameTargets;
}

/** How paths begin at a server: from a hello or join to its reply. spec: PATH-3 */
export class PathAcceptance {
  readonly #state: SessionState;
  readonly #lifecycle: PathLifecycle;
  readonly #control: ControlReader;
  readonly #targets: FrameTargets;

  constructor(state: SessionState, parts: PathAcceptanceParts) {
    this.#state = state;
    this.#lifecycle = parts.lifecycle;
    this.#control = parts.control;
    this.#targets = parts.targets;
  }

  /** Why a path that begins so cannot be taken in; undefined if it can. */
  refusalOf(opening: Opening): ProtocolFailure | undefined {
    const state = this.#state;
    const pathId = opening.kind === "hello" ? 0 : opening.message.pathId;
    if (state.paths.byId(pathId) !== undefined || state.paths.wasForgotten(pathId))
      return failure(ErrorCode.PROTOCOL_VIOLATION, `path ${pathId} was used before`);
    if (state.hasEnded) return failure(ErrorCode.NO_SESSION, "the session has ended");
    if (state.paths.all().filter((path) => !path.isFinal).length >= state.limits.maxPaths)
      return failure(ErrorCode.LIMIT_REACHED, `a session has at most ${state.limits.maxPaths} paths to this server`);
    return opening.message.credit === undefined ? failure(ErrorCode.PROTOCOL_VIOLATION, "a hello without credit") : undefined;
  }

  /** Takes a path in, after whatever had to be checked; its reply leaves. */
  accept(now: Instant, acceptor: PathAcceptor, opening: Opening, link: LinkInfo, isVouched: boolean): SessionPath | ProtocolFailure {
    const state = this.#state;
    state.now = now;
    const pathId = opening.kind === "hello" ? 0 : opening.message.pathId;
    const refusal = this.refusalOf(opening);
    if (refusal !== undefined) return refusal;
    const peer = state.peerOf(CLIENT_MEMBER);
    const isResumed = peer.isKnown;
    const problem = adoptCredit(state, peer, opening.message.credit);
    if (problem !== undefined) return problem;
    const path: SessionPath = new Path<SentFrame>(pathId, CLIENT_MEMBER, state.limits, now);
    // The server's end of it, as on the client's side; what the client says of it concerns nobody but itself.
    path.address = clipText(opening.message.dialled, MAX_REASON_LENGTH) || link.address;
    path.transport = link.transport;
    path.identity = state.config.identity;
    path.isPrimary = opening.kind === "hello";
    path.isVouched = isVouched;
    state.paths.add(path);
    const wire = new PathWire(path, acceptor.input, state.limits);
    wire.isLinkUp = true;
    wire.maySendData = true;
    state.wires.set(pathId, wire);
    wire.sendEnvelope(helloReply(state, isResumed));
    state.emit({ type: "path-added", path });
    this.#lifecycle.activate(path, peer, "accepted");
    const refused = acceptor.input.accept((carrier) => new PathSink(path, peer, this.#targets, carrier)) ?? this.#control.read(wire);
    if (refused !== undefined) this.#lifecycle.die(path, refused.code, refused.reason);
    return path;
  }
}
