import type { RefusalReason } from "./refusal-reason.ts";

export type PathState = "connecting" | "authenticating" | "active" | "degraded" | "dead" | "closed";

/**
 * Why a path has its transport: "address" or "option" named it; it was the "only" one that could; it won the "race" of all; it went first because it is
 * "remembered" as the winner of a race at this server, and won again; it is the "fallback" for another one that fell silent; or the better one that fell silent
 * and answered again, to which the session made its "return".
 */
export type TransportChoice = "address" | "option" | "only" | "race" | "remembered" | "fallback" | "return";

/** What the transport connection of a path can do, and what it knows of itself. */
export interface LinkInfo {
  /** "host:port" of this end, where the transport tells. */
  readonly localAddress: string | undefined;
  /** It has independent streams of its own; without them everything on the path shares one stream of bytes. */
  readonly streams: boolean;
  /** Encrypted and integrity-protected by the transport. */
  readonly encrypted: boolean;
  /** Can send data in the first flight of a resumed connection (0-RTT). */
  readonly earlyData: boolean;
  /** Largest datagram that the transport takes now, in bytes; 0 if it has none. What does not fit travels in packets of the path. */
  readonly maxDatagramBytes: number;
  /** The transport's own measure of the round-trip time, in milliseconds, where it has one. */
  readonly rttMs: number | undefined;
  readonly congestionWindowBytes: number | undefined;
  /** Bytes handed to the transport and not taken by it yet. */
  readonly bufferedBytes: number;
}

/** One path as an application may see it. */
export interface PathInfo {
  readonly id: number;
  /** "host:port" of the server end; on servers as the client says that it dialled it. */
  readonly address: string;
  /** "host:port" of the other end as this side's transport sees it: on servers where the client comes from. Undefined without a connection, and of paths to other servers. */
  readonly remoteAddress?: string | undefined;
  /** "host:port" of the relay that carries it; undefined for a direct path. */
  readonly relay: string | undefined;
  readonly transport: string;
  /** Undefined on servers, which take what clients chose, and before the path is connected. */
  readonly transportChoice: TransportChoice | undefined;
  /** "sha256:<hex of SPKI>" of the server, if proven. */
  readonly identity: string | undefined;
  readonly state: PathState;
  /** Why it is in this state, in words. */
  readonly reason: string;
  /** Whether it leads to the primary server and was the session's first. */
  readonly primary: boolean;
  /** Whether it ends at this server (on the client: at any). */
  readonly local: boolean;
  readonly rttMs: number | undefined;
  /** Measured delivery rate towards the peer, in bytes per second. */
  readonly sendRate: number;
  /** Measured arrival rate, in bytes per second, over the last second. */
  readonly receiveRate: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Bytes sent again on this path because another died, or was late. */
  readonly bytesResent: number;
  readonly inFlightBytes: number;
  readonly inFlightLimitBytes: number;
  /** The connection under it, asked when this is read; undefined in events, when there is none, and for paths that end elsewhere. */
  readonly link: LinkInfo | undefined;
}

export interface SessionStats {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly openStreams: number;
  /** Bytes that arrived and wait for the application or for earlier bytes. */
  readonly receiveBufferBytes: number;
  /** Bytes written by the application and not yet acknowledged. */
  readonly sendBufferBytes: number;
  /** Bytes that arrived more than once, or after they were wanted, since the session began. */
  readonly duplicateBytes: number;
  /** Whether the session has no path now, and waits for one. */
  readonly isSuspended: boolean;
  /** How often it had none, since it began. */
  readonly suspensions: number;
  /** How often a server was isolated as a source of a content, or set aside for being slow, by the code of the event. */
  readonly sourceFaults: Readonly<Record<string, number>>;
  readonly paths: readonly PathInfo[];
}

/** What a listener asks the application, for counts and logs. */
export type HookName = "authorizeStream" | "ContentStore.open" | "ContentSource.read" | "onRaw";

export interface ListenerStats {
  /** Sessions that live, suspended ones among them. */
  readonly sessions: number;
  /** Those that have no path now, and wait for their client (`graceMs`, `maxSuspendedSessions`). */
  readonly suspendedSessions: number;
  /** How often a client has come back to a session that was suspended. */
  readonly resumedSessions: number;
  /** Suspended sessions that ended because their client did not come back in time. */
  readonly expiredSessions: number;
  readonly acceptedSessions: number;
  /** Clients that were not taken, whatever they wanted and however far they got. */
  readonly refusedSessions: number;
  /** The same, by reason. */
  readonly refusals: Partial<Record<RefusalReason, number>>;
  /** Streams of clients that `authorizeStream` has refused. */
  readonly refusedStreams: number;
  /** How often a hook of the application has failed, or given no answer in time; the client was told no more than a code. */
  readonly hookFaults: Partial<Record<HookName, number>>;
  /** Sessions that have ended, by the code of `closed`: LIMIT_REACHED or PROTOCOL_VIOLATION, where it was for what a client did. */
  readonly endings: Readonly<Record<string, number>>;
  /** Clients that were sent on to another process (`ListenOptions.redirect`). They count as neither accepted nor refused. */
  readonly redirectedSessions: number;
  /** Connections that are there and belong to no session yet. */
  readonly waitingConnections: number;
  /** Bytes written to streams of all sessions and not acknowledged. */
  readonly sendBufferBytes: number;
  /** What receive windows of all sessions have grown by, in bytes. */
  readonly receiveWindowBytes: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface CloseInfo {
  /** "NO_ERROR" after a clean close. */
  readonly code: string;
  readonly errorCode: number;
  readonly reason: string;
  readonly remote: boolean;
}

/** What was wrong with a server as a source of a content. */
export interface SourceFault {
  readonly path: PathInfo | undefined;
  readonly contentId: string;
  /** "CONTENT_CORRUPT" (it lied), "CONTENT_VERSION", "CONTENT_NOT_FOUND", what else it answered, or "TIMEOUT" for a slow one. */
  readonly code: string;
  readonly reason: string;
  /** With CONTENT_VERSION, the version that this server has instead; "" if it did not say, and on servers. */
  readonly version: string;
}

/** What happened to a session, for people and monitors. */
export type SessionEvent =
  | {
      readonly type: "path-added" | "path-active" | "path-degraded" | "path-recovered" | "path-dead" | "path-closed";
      readonly path: PathInfo;
      readonly reason: string;
    }
  | { readonly type: "path-failed"; readonly address: string; readonly code: string; readonly reason: string }
  /** A server is no longer asked for a content; after CONTENT_CORRUPT for none in this session. On a server: as the client reports it. */
  | ({ readonly type: "source-isolated" } & SourceFault)
  /** A server is not asked for a content while others deliver, for ten seconds or more. On a server: as the client reports it. */
  | ({ readonly type: "source-slow" } & SourceFault)
  /** The last path was lost, streams wait; there is one again. */
  | { readonly type: "suspended" | "resumed"; readonly reason: string }
  | {
      /** A server leaves. Those that it named are dialled; what lives there has its time. */
      readonly type: "going-away";
      readonly path: PathInfo | undefined;
      readonly reason: string;
      /** How long it serves what lives there, in milliseconds. */
      readonly graceMs: number;
      /** "host:port" of servers to be used instead. */
      readonly replacements: readonly string[];
    }
  /** A server is gone from the session for good: streams that lived there have ended with HOME_LOST. */
  | { readonly type: "server-lost"; readonly path: PathInfo | undefined; readonly reason: string }
  | {
      /** Another server is the session's primary. */
      readonly type: "primary-changed";
      /** A path to it, as far as it is known here. */
      readonly path: PathInfo | undefined;
      /** On a server: whether it is this one. On a client false. */
      readonly isHere: boolean;
      readonly reason: string;
    };
