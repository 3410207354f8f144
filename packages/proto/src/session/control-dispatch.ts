import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { ControlBody } from "../control/control-body.ts";
import type { ClientPaths } from "./client-paths.ts";
import type { Closing } from "./closing.ts";
import type { ContentClient } from "./content-client.ts";
import type { Departures } from "./departures.ts";
import type { PathLifecycle } from "./path-lifecycle.ts";
import type { Peer } from "./peer.ts";
import type { RawForwarding } from "./raw-forwarding.ts";
import type { SessionState } from "./session-state.ts";
import { body } from "../control/control-body.ts";

export interface ControlTargets {
  readonly state: SessionState;
  readonly clientPaths: ClientPaths | undefined;
  /** Takes the messages that only servers receive; present on a server. */
  readonly server: { handle(message: ControlBody): ProtocolFailure | undefined } | undefined;
  readonly content: ContentClient;
  readonly raw: RawForwarding;
  readonly lifecycle: PathLifecycle;
  readonly closing: Closing;
  /** Present on a client. */
  readonly departures: Departures | undefined;
}

/** Takes one reliable control message to the part it concerns. Messages of the wrong role are violations. */
export function dispatchControl(targets: ControlTargets, from: Peer, message: ControlBody): ProtocolFailure | undefined {
  switch (message.case) {
    case "sessionClose":
      targets.closing.handleClose(from, message.value);
      return undefined;
    case "sessionCloseAck":
      if (targets.departures?.handleAck(from) !== true) targets.closing.handleAck(from);
      return undefined;
    case "streamAnnounce":
      return targets.state.hasEnded ? undefined : handleAnnounce(targets.state, from, message.value);
    default:
      // A session that is over has only its closing left.
      if (targets.state.hasEnded) return undefined;
      return targets.server === undefined ? dispatchToClient(targets, from, message) : targets.server.handle(message);
  }
}

function dispatchToClient(targets: ControlTargets, from: Peer, message: ControlBody): ProtocolFailure | undefined {
  const { state, clientPaths } = targets;
  if (clientPaths === undefined) return wrongRole(message);
  switch (message.case) {
    case "addPath":
      state.emit({
        type: "path-requested",
        fromMember: from.member,
        requestId: message.value.requestId,
        address: message.value.address,
        identity: message.value.identity,
        priority: message.value.priority,
      });
      return undefined;
    case "removePath":
      removePath(targets, from, message.value.requestId, message.value.pathId, message.value.graceMs);
      return undefined;
    case "ticketReply":
      clientPaths.handleTicket(from.member, message.value);
      return undefined;
    case "rawMessage":
      targets.raw.handleMessage(from, message.value.requestId, message.value.targetPathId, message.value.data);
      return undefined;
    case "contentOffer":
      return targets.content.handleOffer(from, message.value);
    case "contentHashes":
      return targets.content.handleHashes(from, message.value);
    case "rangeRefused":
      targets.content.handleRefused(from, message.value);
      return undefined;
    case "goingAway":
      targets.departures?.announced(from, message.value);
      return undefined;
    default:
      return wrongRole(message);
  }
}

function handleAnnounce(
  state: SessionState,
  from: Peer,
  message: { streamId: bigint; priority: number; contributions: boolean },
): ProtocolFailure | undefined {
  const entry = state.streams.admit(from, Number(message.streamId));
  if (entry === undefined) return undefined;
  if ("code" in entry) return entry;
  if (entry.peer !== from) return failure(ErrorCode.PROTOCOL_VIOLATION, `an announcement of stream ${entry.id} by another than its home`);
  entry.contributions = message.contributions;
  if (entry.isIncoming && entry.sender !== undefined) entry.sender.stream.priority = Math.min(message.priority, 255);
  return undefined;
}

/** A server may remove its own paths and those of servers that it vouched for. */
function removePath(targets: ControlTargets, from: Peer, requestId: number, pathId: number, graceMs: number): void {
  const { state, lifecycle } = targets;
  const answer = (code: ErrorCode, reason: string): void => {
    from.control.send(body("removePathResult", { requestId, code, reason }));
  };
  const path = state.paths.byId(pathId);
  if (path === undefined || path.isFinal) return answer(ErrorCode.NO_ERROR, "it is not in use");
  const owner = state.peerOf(path.member);
  if (owner !== from && owner.vouchedBy !== from.member) {
    return answer(ErrorCode.LIMIT_REACHED, `path ${pathId} was not added by this server`);
  }
  // The answer comes when the path is closed.
  if (targets.clientPaths?.awaitRemoval(path, from.member, requestId) === false)
    return answer(ErrorCode.LIMIT_REACHED, `path ${pathId} is being removed already`);
  lifecycle.drain(path, graceMs);
}

/** A message that only the other side receives. */
export function wrongRole(message: ControlBody): ProtocolFailure {
  return failure(ErrorCode.PROTOCOL_VIOLATION, `the message ${message.case} is not for this side`);
}
