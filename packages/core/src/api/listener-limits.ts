import type { Limits } from "@kwik/proto";

/**
 * What a listener takes on at most, with unit, default and reason, beside the limits of each session. A *prefix* is the first 24 bits of an IPv4 address, 64
 * of an IPv6 address: what one customer of a network has, roughly. A *site* is the first 48 bits of an IPv6 address: what a customer with many networks has. docs/limits.md is generated from this file.
 */
export interface ListenerLimits {
  /** Connections at once over each transport, handshakes included; the next is refused. */
  maxConnections: number;
  /** Connections of each transport that have not said yet what they want, at most. When there are more the oldest is closed: those that only hold a place are the oldest. */
  maxHandshakes: number;
  /** Handshakes that are begun per second, from everywhere, over all transports. Beyond it connections are closed, before their handshake where the transport can. Prefixes that have a session here come before others. */
  handshakesPerSecond: number;
  /** Handshakes that may come at once after a quiet time; as many again of prefixes that have a session here, and as many again of those within `handshakesPerSecondPerServedPrefix`. */
  handshakeBurst: number;
  /** The same for the addresses of one prefix, per second. */
  handshakesPerSecondPerPrefix: number;
  /** Handshakes of one prefix that may come at once after a quiet time. */
  handshakeBurstPerPrefix: number;
  /** The same for the addresses of one site, per second; at least what one prefix may. To be lowered with `handshakesPerSecond`, else it limits nothing. */
  handshakesPerSecondPerSite: number;
  /** Handshakes of one site that may come at once after a quiet time; as many again of its prefixes that have a session here, and again as above. */
  handshakeBurstPerSite: number;
  /** Handshakes of each prefix that has a session here that come before all others, per second: whatever others do that have a session here as well, these are left to it. They count in all like others. */
  handshakesPerSecondPerServedPrefix: number;
  /** How many of these may come at once after a quiet time. */
  handshakeBurstPerServedPrefix: number;
  /** Paths that clients of one prefix begin, per second: first ones of a session and further ones. More are refused with LIMIT_REACHED and the time to wait. */
  pathsPerSecondPerPrefix: number;
  /** Paths of one prefix that may begin at once after a quiet time. */
  pathBurstPerPrefix: number;
  /** Sessions at once; more are refused with LIMIT_REACHED. */
  maxSessions: number;
  /** Sessions at once of one prefix; more are refused with LIMIT_REACHED. */
  maxSessionsPerPrefix: number;
  /** Sessions that the application has not accepted yet, at most; more are refused with LIMIT_REACHED. */
  maxWaitingSessions: number;
  /** Credentials, tickets and proofs of one prefix that are found wrong, per minute; beyond it nothing more is checked, and the answer is LIMIT_REACHED. No more are checked at once; others wait. */
  failedChecksPerMinutePerPrefix: number;
  /** Bytes held of connections that are not authenticated yet, in all. Beyond it the one that holds most is refused. Each may have `maxBytesBeforeAuth`. */
  maxBytesBeforeAuthInAll: number;
  /** Bytes written to streams and not acknowledged, of all sessions. Beyond it `write` waits on sessions that have more than 256 KiB of them. */
  maxSendBufferBytesInAll: number;
  /** Receive windows of all sessions beyond the initial one of each, in bytes. Beyond it windows do not grow. */
  maxReceiveWindowBytesInAll: number;
  /** How long a session may live without a stream, datagram or other word of an application, in milliseconds. 0: for ever. */
  idleTimeoutMs: number;
  /** Calls of `authenticate` under way at once; further clients wait, for `handshakeTimeoutMs` at most. One prefix has at most as many as it leaves to others. */
  maxPendingAuthentications: number;
  /** Calls of `authorizeStream` under way at once for one session; further streams wait. */
  maxPendingAuthorizations: number;
  /** The same over all sessions. The sessions of one prefix have at most as many as they leave to others; of those that wait, those come first that have fewest. */
  maxPendingAuthorizationsInAll: number;
  /** Calls of `ContentStore.open` under way at once over all sessions, shared in the same way; one session has 16 of them. Its turn ends after `handshakeTimeoutMs`, if the call has not. */
  maxPendingOpeningsInAll: number;
  /** How long a read of a content may take with its opening, in milliseconds; then the client is told that it failed, and others get its place: eight of a session are under way at once. */
  contentReadTimeoutMs: number;
  /** Prefixes, and as many sites, that are remembered, at most; those that were heard of longest ago are forgotten first. */
  maxPrefixes: number;
}

const MiB = 1024 * 1024;

export const DEFAULT_LISTENER_LIMITS: ListenerLimits = {
  // Every turn of the QUIC engine visits all of its connections.
  maxConnections: 2_000,
  // Each costs about 50 KB before anything is known of the client.
  maxHandshakes: 256,
  // A handshake costs 0.3 ms of the server's thread over TCP and 0.8 ms of the engine's over QUIC: less than half of either.
  handshakesPerSecond: 500,
  handshakeBurst: 1_000,
  handshakesPerSecondPerPrefix: 300,
  handshakeBurstPerPrefix: 600,
  // A customer with 65,536 networks leaves a fifth of all to everybody else.
  handshakesPerSecondPerSite: 400,
  handshakeBurstPerSite: 800,
  // Forty-nine hostile networks with a session each do not take them from the fiftieth.
  handshakesPerSecondPerServedPrefix: 10,
  handshakeBurstPerServedPrefix: 20,
  // An office behind one address that comes back after a power cut is served within seconds.
  pathsPerSecondPerPrefix: 200,
  pathBurstPerPrefix: 400,
  maxSessions: 2_000,
  maxSessionsPerPrefix: 500,
  maxWaitingSessions: 1_024,
  failedChecksPerMinutePerPrefix: 60,
  maxBytesBeforeAuthInAll: 64 * MiB,
  maxSendBufferBytesInAll: 512 * MiB,
  maxReceiveWindowBytesInAll: 1024 * MiB,
  idleTimeoutMs: 3_600_000,
  maxPendingAuthentications: 512,
  maxPendingAuthorizations: 64,
  // A prefix has half of them, which is eight sessions with all that each may have.
  maxPendingAuthorizationsInAll: 1_024,
  // Eight sessions of a prefix with all that each may have.
  maxPendingOpeningsInAll: 256,
  // Three times what a gateway gives an origin.
  contentReadTimeoutMs: 30_000,
  // About 2 MB.
  maxPrefixes: 10_000,
};

/** All limits of a listener: those of its sessions, and its own. */
export type ListenLimits = Limits & ListenerLimits;
