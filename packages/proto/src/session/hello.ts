import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { StreamDirection } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import { body, envelopeOf, type ControlMessage, type Credit } from "../control/control-body.ts";
import type { Envelope } from "../control/control-codec.ts";
import { PROTOCOL_VERSION } from "../wire/preamble.ts";
import { CREDIT_BEFORE_HELLO, type InitialCredit, NO_CREDIT, type Peer } from "./peer.ts";
import type { SessionPath } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";
import { StreamSignal } from "./stream-entry.ts";

/** Optional abilities of this implementation; those that both sides name may be used. */
export const FEATURES: readonly string[] = ["content", "contribute", "raw"];

/** What a client names in a hello that may be answered with another port. spec: CTRL-20 */
export const REDIRECT_FEATURE = "redirect";

/** What a join proves: made by whoever holds the session's private key. spec: SESS-4 */
export interface JoinProof {
  readonly ticket: string;
  readonly proof: Uint8Array;
}

export function clientHello(state: SessionState, token: string, dialled: string, takesRedirect: boolean): Envelope {
  return envelopeOf(
    body("clientHello", {
      versions: [PROTOCOL_VERSION],
      features: takesRedirect ? [...FEATURES, REDIRECT_FEATURE] : [...FEATURES],
      clientKey: state.config.clientKey,
      credit: creditOf(state.limits),
      token,
      dialled,
      agent: state.config.agent,
      resumeHint: new Uint8Array(0),
    }),
  );
}

export function joinMessage(
  state: SessionState,
  pathId: number,
  memberId: number,
  token: string,
  dialled: string,
  proof: JoinProof,
  isResume: boolean,
): Envelope {
  return envelopeOf(
    body("join", {
      versions: [PROTOCOL_VERSION],
      features: [...FEATURES],
      sessionId: state.id,
      pathId,
      memberId,
      ticket: proof.ticket,
      clientKey: state.config.clientKey,
      proof: proof.proof,
      resume: isResume,
      credit: creditOf(state.limits),
      token,
      dialled,
      agent: state.config.agent,
    }),
  );
}

export function helloReply(state: SessionState, isResumed: boolean): Envelope {
  return envelopeOf(
    body("helloReply", {
      version: PROTOCOL_VERSION,
      features: [...FEATURES],
      sessionId: state.id,
      memberId: state.config.member,
      identity: state.config.identity,
      credit: creditOf(state.limits),
      agent: state.config.agent,
      resumed: isResumed,
    }),
  );
}

/** Takes the peer's starting credit over; what was opened before it was known grows with it. */
export function adoptCredit(state: SessionState, peer: Peer, credit: Credit | undefined): ProtocolFailure | undefined {
  if (peer.isKnown) return undefined;
  const given = readCredit(credit, state.isClient ? CREDIT_BEFORE_HELLO : NO_CREDIT);
  if ("code" in given) return given;
  peer.isKnown = true;
  peer.initialStreamWindowBytes = given.streamWindowBytes;
  peer.sendCredit.raise(given.sessionWindowBytes);
  raiseStreams(state, peer, "bidirectional", given.maxBidirectionalStreams);
  raiseStreams(state, peer, "unidirectional", given.maxUnidirectionalStreams);
  for (const entry of state.streams.values()) {
    if (entry.peer !== peer || entry.sender === undefined) continue;
    if (!entry.sender.stream.handleMaxOffset(given.streamWindowBytes)) continue;
    peer.enqueue(entry.sender);
    state.streams.signal(entry, StreamSignal.writable);
  }
  peer.releaseWaiting();
  return undefined;
}

/** Who waits for a stream, as an early client may, hears that it can be opened. */
function raiseStreams(state: SessionState, peer: Peer, direction: StreamDirection, limit: number): void {
  if (peer.outgoing[direction].raise(limit)) state.emit({ type: "streams-allowed", direction, member: peer.member });
}

/** Whether a server's reply is one to what was asked on this path. spec: SESS-1, SESS-2 */
export function checkReply(state: SessionState, path: SessionPath, message: ControlMessage<"helloReply">): ProtocolFailure | undefined {
  if (message.version !== PROTOCOL_VERSION)
    return failure(ErrorCode.VERSION, `the server chose version ${message.version}, which was not offered`);
  if (message.sessionId.length !== 16) return failure(ErrorCode.PROTOCOL_VIOLATION, "a session id has 16 bytes");
  if (!path.isPrimary && message.sessionId.some((byte, index) => byte !== state.id[index]))
    return failure(ErrorCode.PROTOCOL_VIOLATION, "the server answered for another session");
  if (message.memberId !== path.member)
    return failure(ErrorCode.PROTOCOL_VIOLATION, `the server answered as member ${message.memberId}, not ${path.member}`);
  return undefined;
}

function creditOf(limits: Limits): {
  streamWindowBytes: bigint;
  sessionWindowBytes: bigint;
  maxBidirectionalStreams: number;
  maxUnidirectionalStreams: number;
} {
  return {
    streamWindowBytes: BigInt(limits.initialStreamWindowBytes),
    sessionWindowBytes: BigInt(limits.initialSessionWindowBytes),
    maxBidirectionalStreams: limits.maxStreams,
    maxUnidirectionalStreams: limits.maxStreams,
  };
}

function readCredit(credit: Credit | undefined, floor: InitialCredit): InitialCredit | ProtocolFailure {
  if (credit === undefined) return failure(ErrorCode.PROTOCOL_VIOLATION, "a hello without credit");
  return {
    streamWindowBytes: Math.max(Number(credit.streamWindowBytes), floor.streamWindowBytes),
    sessionWindowBytes: Math.max(Number(credit.sessionWindowBytes), floor.sessionWindowBytes),
    maxBidirectionalStreams: Math.max(credit.maxBidirectionalStreams, floor.maxBidirectionalStreams),
    maxUnidirectionalStreams: Math.max(credit.maxUnidirectionalStreams, floor.maxUnidirectionalStreams),
  };
}
