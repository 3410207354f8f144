import type { PathId } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";
import { CarrierKind } from "../wire/preamble.ts";
import type { ClientPaths, PathPlan } from "./client-paths.ts";
import { clientHello, joinMessage, type JoinProof } from "./hello.ts";
import { LinkInput } from "./link-input.ts";
import type { PathLifecycle } from "./path-lifecycle.ts";
import { PathSink, type FrameTargets } from "./path-sink.ts";
import { PathWire } from "./path-wire.ts";
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
  readonly clientPaths: ClientPaths | undefined;
  /** Where the frames of its packets go. */
  readonly targets: FrameTargets;
}

/** How a client's paths begin: from a dialled link to the hello or join. spec: PATH-3 */
export class PathOpening {
  readonly #state: SessionState;
  readonly #lifecycle: PathLifecycle;
  readonly #clientPaths: ClientPaths | undefined;
  readonly #targets: FrameTargets;

  constructor(state: SessionState, parts: PathOpeningParts) {
    this.#state = state;
    this.#lifecycle = parts.lifecycle;
    this.#clientPaths = parts.clientPaths;
    this.#targets = parts.targets;
  }

  /** Begins a path; its link is being dialled. Give the link with `hello` or `join`, or tell `linkLost`. */
  openPath(now: Instant, plan: PathPlan): SessionPath {
    this.#state.now = now;
    const path = (this.#clientPaths as ClientPaths).open(plan);
    this.#lifecycle.begin(path);
    return path;
  }

  /** The link of the first path is there; the hello leaves. With `takesRedirect` its answer may be another port: the event `redirected`, before the path fails. */
  hello(now: Instant, pathId: PathId, link: LinkInfo, token: string, takesRedirect = false): void {
    const wire = this.#linkUp(now, pathId, link);
    if (wire === undefined) return;
    wire.sendEnvelope(clientHello(this.#state, token, link.address, takesRedirect));
    wire.takesRedirect = takesRedirect;
    wire.maySendData = true;
  }

  /** The link of a further path is there, and the proof was made; the join leaves. */
  join(now: Instant, pathId: PathId, link: LinkInfo, token: string, proof: JoinProof): void {
    const wire = this.#linkUp(now, pathId, link);
    if (wire === undefined) return;
    const isResume = this.#state.peerOf(wire.path.member).isKnown;
    wire.sendEnvelope(joinMessage(this.#state, pathId, wire.path.member, token, link.address, proof, isResume));
  }

  #linkUp(now: Instant, pathId: PathId, link: LinkInfo): PathWire | undefined {
    const state = this.#state;
    state.now = now;
    const path = state.paths.byId(pathId);
    if (path === undefined || path.isFinal) return undefined;
    path.transport = link.transport;
    if (link.identity !== undefined) this.#clientPaths?.proven(path, link.identity);
    path.setState("authenticating", "the link is up", now);
    const { limits, messages } = state;
    const input = new LinkInput({ limits, checksum: state.config.checksum, requireChecksum: !link.isEncrypted, messages });
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
