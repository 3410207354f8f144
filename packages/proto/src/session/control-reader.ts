import { clipText, MAX_REASON_LENGTH } from "../base/clip-text.ts";
import { ErrorCode, failure, knownCode, type ProtocolFailure } from "../base/error-codes.ts";
import { type ControlMessage, isPathScoped } from "../control/control-body.ts";
import type { Envelope } from "../control/control-codec.ts";
import type { ReceivedEnvelope } from "../control/control-messages.ts";
import { type ControlTargets, dispatchControl } from "./control-dispatch.ts";
import { adoptCredit, checkReply } from "./hello.ts";
import type { PathWire } from "./path-wire.ts";
import type { Peer } from "./peer.ts";

/** Reads the control carrier of each path: what begins a path is handled here, the rest goes through the peer's channel. */
export class ControlReader {
  readonly #targets: ControlTargets;

  constructor(targets: ControlTargets) {
    this.#targets = targets;
  }

  /** Takes all that came in and waits: carriers that were opened, and messages. */
  read(wire: PathWire): ProtocolFailure | undefined {
    wire.takeOpened();
    const peer = this.#targets.state.peerOf(wire.path.member);
    for (let envelope = wire.input.pollEnvelope(); envelope !== undefined; envelope = wire.input.pollEnvelope()) {
      const problem = this.#handleEnvelope(wire, peer, envelope);
      if (problem !== undefined) return problem;
      if (wire.path.isFinal) return undefined;
    }
    return undefined;
  }

  #handleEnvelope(wire: PathWire, peer: Peer, envelope: ReceivedEnvelope): ProtocolFailure | undefined {
    switch (envelope.body.case) {
      case "helloReply":
        return this.#handleReply(wire, peer, envelope.body.value);
      case "refused":
        if (wire.path.state !== "authenticating") return failure(ErrorCode.PROTOCOL_VIOLATION, "a refusal of a path that has begun");
        if (envelope.body.value.code === ErrorCode.GOING_AWAY) this.#targets.lifecycle.departed(peer);
        wire.path.retryAfterMs = envelope.body.value.retryAfterMs;
        this.#redirect(wire, envelope.body.value);
        this.#targets.lifecycle.die(
          wire.path,
          knownCode(envelope.body.value.code),
          clipText(envelope.body.value.reason, MAX_REASON_LENGTH),
        );
        // It was here before and has forgotten the session: what lived there is gone.
        if (peer.isKnown && envelope.body.value.code === ErrorCode.NO_SESSION)
          this.#targets.lifecycle.loseMember(peer, "the server has forgotten the session");
        return undefined;
      case "clientHello":
      case "join":
        return failure(ErrorCode.PROTOCOL_VIOLATION, "a second hello on one path");
      default:
        // spec: CTRL-9
        if (!wire.path.isUsable) return failure(ErrorCode.PROTOCOL_VIOLATION, "a control message before the hello was answered");
    }
    if (peer.controlRate.take(this.#targets.state.now) !== undefined) {
      const reason = "control messages come faster than they are taken";
      this.#targets.lifecycle.expel(peer, ErrorCode.LIMIT_REACHED, reason);
      return failure(ErrorCode.LIMIT_REACHED, reason);
    }
    const problem = peer.control.handle(envelope, wire.id);
    if (problem !== undefined) {
      // A number too many or too few concerns the path; else the channel of both ends no longer agrees. spec: CTRL-4, CTRL-8
      if (isNumberedRight(envelope)) this.#targets.lifecycle.expel(peer, problem.code, problem.reason);
      return problem;
    }
    for (let message = peer.control.pollDelivered(); message !== undefined; message = peer.control.pollDelivered()) {
      const refused = dispatchControl(this.#targets, peer, message);
      if (refused !== undefined) return refused;
      if (peer.isLost) return undefined;
    }
    return undefined;
  }

  /** What was not asked for, and what is no port, is a refusal like any other. spec: CTRL-20 */
  #redirect(wire: PathWire, { code, redirectPort }: ControlMessage<"refused">): void {
    if (!wire.takesRedirect || knownCode(code) !== ErrorCode.LIMIT_REACHED || redirectPort === 0 || redirectPort > 65_535) return;
    this.#targets.state.emit({ type: "redirected", path: wire.path, port: redirectPort });
  }

  #handleReply(wire: PathWire, peer: Peer, reply: ControlMessage<"helloReply">): ProtocolFailure | undefined {
    const { state } = this.#targets;
    const { path } = wire;
    if (path.state !== "authenticating") return failure(ErrorCode.PROTOCOL_VIOLATION, "an unexpected hello reply");
    const problem = checkReply(state, path, reply);
    if (problem !== undefined) return problem;
    if (path.isPrimary) state.id = reply.sessionId;
    if (peer.isKnown && !reply.resumed) {
      // The server has forgotten this session: what lived there is gone.
      this.#targets.lifecycle.loseMember(peer, "the server restarted");
      return failure(ErrorCode.NO_SESSION, "the server has forgotten the session");
    }
    const refused = adoptCredit(state, peer, reply.credit);
    if (refused !== undefined) return refused;
    wire.maySendData = true;
    this.#targets.lifecycle.activate(path, peer, "accepted by the server");
    if (path.isPrimary) state.emit({ type: "established" });
    return undefined;
  }
}

function isNumberedRight(envelope: Envelope): boolean {
  const kind = envelope.body.case;
  if (kind === undefined || kind === "controlAck") return true;
  return envelope.seq !== 0n && !isPathScoped(kind);
}
