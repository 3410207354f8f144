/**
 * Every limit and timing of the protocol, with unit, default and reason. The public options take any part of it.
 * docs/limits.md is generated from this file.
 */
export interface Limits {
  /** Largest receive window of one stream, in bytes. The window starts at `initialStreamWindowBytes` and grows with the measured rate. */
  maxStreamWindowBytes: number;
  /** Receive window of a new stream, in bytes. Also what a client may send before it knows the server's real number. */
  initialStreamWindowBytes: number;
  /** Largest receive window of a session towards one server or client, in bytes, over all its streams. */
  maxSessionWindowBytes: number;
  /** Receive window of a new session towards one peer, in bytes. */
  initialSessionWindowBytes: number;
  /** Streams of each direction that the peer may have open at once. */
  maxStreams: number;
  /** Bytes of a stream that were written and not yet acknowledged, at most; `write` waits beyond it. */
  maxSendBufferBytes: number;
  /**
   * The same over all streams of a session, in bytes; beyond it `write` waits on all of them. On a server, see also `maxSendBufferBytesInAll`.
   */
  maxSessionSendBufferBytes: number;
  /** Bytes handed to one link and not yet acknowledged, at most; the measured bandwidth-delay product usually keeps it far lower. */
  maxInFlightBytes: number;
  /** In-flight bound of a path about which nothing is known yet, in bytes. */
  initialInFlightBytes: number;
  /** Payload of one packet, at most, in bytes. Slow paths use smaller packets. */
  maxPacketBytes: number;
  /** One control message, at most, in bytes. */
  maxControlMessageBytes: number;
  /** Control messages sent and not yet acknowledged, at most, per peer. */
  maxControlQueue: number;
  /** Control messages of one peer that are taken in a second, on and on; twice as many at once. Whoever sends more ends the session. At least 1000. */
  maxControlMessagesPerSecond: number;
  /** One raw message or its reply, at most, in bytes. */
  maxRawBytes: number;
  /** Raw messages under way towards one peer, at most. */
  maxRawOutstanding: number;
  /** One datagram, at most, in bytes. */
  maxDatagramBytes: number;
  /** Datagrams waiting to be read by the application, at most; the oldest is dropped beyond it. */
  maxDatagramQueue: number;
  /** Bytes that a peer may send before it is authenticated. Less than about 1.1 MiB refuses clients that send early what they are promised (CREDIT-5). */
  maxBytesBeforeAuth: number;
  /** Time for a link to come up and the peer to be authenticated, in milliseconds. */
  handshakeTimeoutMs: number;
  /** Paths that a session may have at once. */
  maxPaths: number;
  /**
   * Addresses that servers may have this client dial in vain, at once or soon after each other; what is being dialled counts until it has succeeded. Further ones are refused
   * with LIMIT_REACHED. Client only.
   */
  maxVainDials: number;
  /** How fast these come back. Client only. */
  vainDialsPerMinute: number;
  /** How long somebody has to prove himself at another port that the first server names, in milliseconds, and how long the client stays away from the first one if nobody does; `handshakeTimeoutMs` at most. Client only. */
  redirectTimeoutMs: number;
  /** Logical streams that share one carrier stream, about. */
  streamsPerCarrier: number;
  /** Carrier streams of one path, at most, per direction. */
  maxCarriers: number;
  /** Silence on an idle path after which it is probed, in milliseconds. */
  probeIntervalMs: number;
  /** Lower bound of the probe timeout, in milliseconds: nothing is suspected sooner. */
  minProbeTimeoutMs: number;
  /** Probe timeout while there is no round-trip sample yet, in milliseconds. */
  initialProbeTimeoutMs: number;
  /** A suspect path is dead after this many probe timeouts without an answer … */
  deadAfterProbeTimeouts: number;
  /** … but not sooner than this, in milliseconds, counted from the last sign of life. */
  minDeadAfterMs: number;
  /** How long an acknowledgement may wait for company, in milliseconds. */
  maxAckDelayMs: number;
  /** How long a session without any path waits for a new one, in milliseconds. 0 ends it at once. */
  graceMs: number;
  /** Sessions of a listener that have no path and wait for their client, at most; beyond it the network that has most of them loses the one that has waited longest. */
  maxSuspendedSessions: number;
  /** Bytes of content that are asked for or wait for their reader, over all sources; several contents share them, with four blocks each at least. */
  maxContentWindowBytes: number;
  /**
   * Share of the bytes that may travel twice so that a slow path or server does not hold up the rest, 0 to 1: of a content's bytes at its tail, and of what
   * goes to one server over several paths. 0: none there, and paths are then used without having been tried.
   */
  maxDuplicateShare: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

export const DEFAULT_LIMITS: Limits = {
  // The engine's own cap is 8 MB of unacknowledged bytes per connection; twice that lets two full paths feed one stream.
  maxStreamWindowBytes: 16 * MiB,
  initialStreamWindowBytes: 256 * KiB,
  maxSessionWindowBytes: 32 * MiB,
  initialSessionWindowBytes: 1 * MiB,
  maxStreams: 1000,
  maxSendBufferBytes: 16 * MiB,
  // Four full streams, or a thousand with 64 KiB each.
  maxSessionSendBufferBytes: 64 * MiB,
  // Above about 8 MB of unacknowledged bytes the engine can break a connection with FLOW_CONTROL_ERROR.
  maxInFlightBytes: 8_000_000,
  initialInFlightBytes: 128 * KiB,
  maxPacketBytes: 128 * KiB,
  maxControlMessageBytes: 1 * MiB,
  maxControlQueue: 4096,
  // A tenth of a processor, about.
  maxControlMessagesPerSecond: 20_000,
  maxRawBytes: 256 * KiB,
  maxRawOutstanding: 256,
  maxDatagramBytes: 16 * KiB,
  maxDatagramQueue: 1024,
  maxBytesBeforeAuth: 2 * MiB,
  handshakeTimeoutMs: 5_000,
  maxPaths: 16,
  // A network of 254 addresses takes four hours, and tells nothing then.
  maxVainDials: 16,
  vainDialsPerMinute: 1,
  // Three round trips of a line by satellite.
  redirectTimeoutMs: 2_000,
  streamsPerCarrier: 4,
  maxCarriers: 32,
  probeIntervalMs: 1_000,
  minProbeTimeoutMs: 100,
  initialProbeTimeoutMs: 500,
  deadAfterProbeTimeouts: 4,
  minDeadAfterMs: 1_500,
  maxAckDelayMs: 5,
  graceMs: 30_000,
  // Each may hold what a session in use holds, and has no connection that somebody else could count.
  maxSuspendedSessions: 1_024,
  maxContentWindowBytes: 64 * MiB,
  maxDuplicateShare: 0.02,
};
