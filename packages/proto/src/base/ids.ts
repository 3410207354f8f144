/**
 * Identifiers of the protocol. They are plain numbers below 2^53 inside the state machine; the public API shows
 * stream ids as bigint, as QUIC libraries do.
 */

/** One transport connection of a session. Grows, never reused; 0 is the first path of the session. spec: PATH-1 */
export type PathId = number;

/** One participant of a session: 0 is the client, 1 the primary server, further servers count up. spec: SESS-4 */
export type MemberId = number;

/** A logical stream. spec: STREAM-1 */
export type StreamId = number;

/** A real stream of a link, numbered by the link; only meaningful together with its path. */
export type CarrierId = number;

export const CLIENT_MEMBER: MemberId = 0;
export const PRIMARY_MEMBER: MemberId = 1;

/** Members per session, the client included: the width of the member field in a stream id. spec: STREAM-1 */
export const MAX_MEMBERS = 512;

export type StreamDirection = "bidirectional" | "unidirectional";

/** Who opened a stream: the client, or the server that is its home. */
export type StreamOpener = "client" | "server";

/** Composes a stream id: sequence * 2048 + home * 4 + (2 if a server opened it) + (1 if unidirectional). spec: STREAM-1 */
export function streamIdOf(home: MemberId, opener: StreamOpener, direction: StreamDirection, sequence: number): StreamId {
  return sequence * (MAX_MEMBERS * 4) + home * 4 + (opener === "server" ? 2 : 0) + (direction === "unidirectional" ? 1 : 0);
}

/** The server at which the stream's server end lives. spec: STREAM-2 */
export function homeOf(id: StreamId): MemberId {
  return Math.floor(id / 4) % MAX_MEMBERS;
}

export function openerOf(id: StreamId): StreamOpener {
  return Math.floor(id / 2) % 2 === 1 ? "server" : "client";
}

export function directionOf(id: StreamId): StreamDirection {
  return id % 2 === 1 ? "unidirectional" : "bidirectional";
}

export function sequenceOf(id: StreamId): number {
  return Math.floor(id / (MAX_MEMBERS * 4));
}
