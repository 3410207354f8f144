import { clipText, MAX_REASON_LENGTH } from "../base/clip-text.ts";
import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import { CLIENT_MEMBER, type PathId } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";
import { Path } from "../path/path.ts";
import { CarrierKind } from "../wire/preamble.ts";
import type { ClientPaths, PathPlan } from "./client-paths.ts";
import type { ControlReader } from "./control-reader.ts";
import { adoptCredit, clientHello, helloReply, joinMessage, type JoinProof } from "./hello.ts";
import { LinkInput } from "./link-input.ts";
import type { Opening, PathAcceptor } from "./path-acceptor.ts";
import type { PathLifecycle } from "./path-lifecycle.ts";
import { PathSink, type FrameTargets } from "./path-sink.ts";
import { PathWire } from "./path-wire.ts";
import type { SentFrame } from "./sent-frame.ts";
import type { SessionPath } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";

/** What is known of a link when it is given to the session. */
export interface LinkInfo {
  readonly address: string;
  readonly transport: string;
  /** "sha256:…" if the transport proved it. */
  readonly identity: string | undefined;
  readonly isEncrypted: boolean;
}

/** What a path's beginning changes. */
export interface PathOpeningParts {
  readonly lifecycle: PathLifecycle;
  readonly control: ControlReader;
  readonly clientPaths: ClientPaths | undefined;
  /** Where the frames of its packets go. */
  readonly targets: FrameTargets;
}

/** How paths begin, on either side: from a dialled link to the hello or join, and from that to its reply. spec: PATH-3 */
export class PathOpening {
  readonly #state: SessionState;
  readonly #lifecycle: PathLifecycle;
  readonly #control: ControlReader;
  readonly #clientPaths: ClientPaths | undefined;
  readonly #targets: FrameTargets;

  constructor(state: SessionState, parts: PathOpeningParts) {
    this.#state = state;
    this.#lifecycle = parts.lifecycle;
    this.#control = parts.control;
    this.#clientPaths = parts.clientPaths;
    this.#targets = parts.targets;
  }

  /** Client: begins a path; its link is being dialled. Give the link with `hello` or `join`, or tell `linkLost`. */
  openPath(now: Instant, plan: PathPlan): SessionPath {
    this.#state.now = now;
    const path = (this.#clientPaths as ClientPaths).open(plan);
    this.#lifecycle.begin(path);
    return path;
  }

  /** Client: the link of the first path is there; the hello leaves. With `takesRedirect` its answer may be another port: the event `redirected`, before the path fails. */
  hello(now: Instant, pathId: PathId, link: LinkInfo, token: string, takesRedirect = false): void {
    const wire = this.#linkUp(now, pathId, link);
    if (wire === undefined) return;
    wire.sendEnvelope(clientHello(this.#state, token, link.address, takesRedirect));
    wire.takesRedirect = takesRedirect;
    wire.maySendData = true;
  }

  /** Client: the link of a further path is there, and the proof was made; the join leaves. */
  join(now: Instant, pathId: PathId, link: LinkInfo, token: string, proof: JoinProof): void {
    const wire = this.#linkUp(now, pathId, link);
    if (wire === undefined) return;
    const isResume = this.#state.peerOf(wire.path.member).isKnown;
    wire.sendEnvelope(joinMessage(this.#state, pathId, wire.path.member, token, link.address, proof, isResume));
  }

  /** Server: why a path that begins so cannot be taken in; undefined if it can. */
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

  /** Server: takes a path in, after whatever had to be checked; its reply leaves. */
  acceptPath(now: Instant, acceptor: PathAcceptor, opening: Opening, link: LinkInfo, isVouched: boolean): SessionPath | ProtocolFailure {
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

  #linkUp(now: Instant, pathId: PathId, link: LinkInfo): PathWire | undefined {
    const state = this.#state;
    state.now = now;
    const path = state.paths.byId(pathId);
    if (path === undefined || path.isFinal) return undefined;
    path.transport = link.transport;
    if (link.identity !== undefined) this.#clientPaths?.proven(path, link.identity);
    path.setState("authenticating", "the link is up", now);
    const input = new LinkInput({ limits: state.limits, checksum: state.config.checksum, requireChecksum: !link.isEncrypted });
    const wire = new PathWire(path, input, state.limits);
    wire.isLinkUp = true;
    state.wires.set(pathId, wire);
    const peer = state.peerOf(path.member);
    input.accept((carrier) => new PathSink(path, peer, this.#targets, carrier));
    wire.wantCarrier(CarrierKind.control, now);
    wire.wantCarrier(CarrierKind.data, now);
    return wire;
  }
}
