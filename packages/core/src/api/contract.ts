import type { ContentSource } from "./content.ts";
import type { ClusterOptions } from "./options.ts";
import type { CloseInfo, ListenerStats, PathInfo, SessionEvent, SessionStats } from "./stats.ts";

/** Aborts the waiting, not the thing waited for. */
export interface WaitOptions {
  signal?: AbortSignal;
}

export interface StreamOptions {
  /** 0 to 255, higher first; `Priority` has names. Default 128. */
  priority?: number;
  /** Client only: the path whose server becomes the stream's home. Default: the primary. */
  pathId?: number;
  /**
   * Whether servers other than the stream's home may contribute. Default true. A stream that is closed to them, or has another priority than 128, is
   * announced: the other side gets it at once, before the first byte.
   */
  contributions?: boolean;
}

export interface DatagramOptions {
  /** "best" (default), a copy on "all" paths to the server, of which the first to arrive counts, or the id of the one path. */
  over?: "best" | "all" | number;
}

/** The writing half of a stream. */
export interface SendStream {
  readonly id: bigint;
  /**
   * Takes all of `data`, a copy of it before the call returns, and resolves when there is credit for more; awaiting it is backpressure. Rejects with StreamError once the stream is reset or stopped by the peer.
   */
  write(data: Uint8Array): Promise<void>;
  /**
   * Leaves out the next `bytes`: another server contributes them. Server only, on streams whose home it is. Throws INVALID_ARGUMENT for what is no whole number
   * or reaches beyond offset 2^53 - 1, NOT_SUPPORTED at a client, CLOSED after `close`, and what `write` would reject with once the stream has failed.
   */
  skip(bytes: number | bigint): void;
  /**
   * Ends this direction after all written bytes; resolves when the peer's transport has acknowledged them. Rejects as `write` if it never will;
   * a close that nobody waits for is no unhandled rejection.
   */
  close(): Promise<void>;
  /** Resolves when the peer's transport has acknowledged everything that was written before. Rejects as `write`. */
  flushed(): Promise<void>;
  /** Gives up this direction at once; the peer's reads reject with `code`, a whole number from 0 to 2^53 - 1 (else it throws INVALID_ARGUMENT). */
  reset(code: number): void;
  /** 0 to 255, higher first; may be changed at any time. Throws INVALID_ARGUMENT for any other number, and stays as it was. */
  priority: number;
  /** The same half as a web stream; use one of the two. */
  readonly writable: WritableStream<Uint8Array>;
}

/** The reading half of a stream. */
export interface ReceiveStream {
  readonly id: bigint;
  /** The next bytes in order, or null at the end. Rejects with StreamError if the peer reset it. The bytes belong to the caller. */
  read(): Promise<Uint8Array | null>;
  /**
   * Copies the next bytes in order into `target`, as many as are here and fit, and answers how many; 0 at the end. Waits while there are none.
   * Rejects as `read`, and with INVALID_ARGUMENT for a target that is empty, or loses its memory meanwhile. Faster than `read` for much data: the memory in which bytes arrived is used
   * again at once. `target` belongs to the stream until the promise is settled.
   */
  readInto(target: Uint8Array): Promise<number>;
  /**
   * Copies what is here already into `target`, as `readInto` does, and answers how many bytes; 0 at the end, undefined while there is nothing. Throws what `readInto` rejects with.
   * With `readReady` a reader needs no memory of its own while it waits.
   */
  readNow(target: Uint8Array): number | undefined;
  /** Resolves when `readNow` answers something: bytes, or the end. Rejects as `read`, and counts as one: a second read meanwhile rejects. */
  readReady(): Promise<void>;
  /** Says that no more will be read; the peer's writes reject with `code`, which is as in `reset`. */
  stopReading(code: number): void;
  /** The same half as a web stream; use one of the two. */
  readonly readable: ReadableStream<Uint8Array>;
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array>;
}

export interface Stream extends SendStream, ReceiveStream {
  /**
   * Server only: offers a content at the present write offset. Its bytes become part of the stream, pulled by the client from every
   * server of the session that has it. Resolves when the client has all of it. Rejects with INVALID_ARGUMENT for a range outside the
   * source, an offset that is no multiple of 256 KiB, more than 2^20 blocks of 256 KiB, and an id or version of more than 1024 characters
   * (an id needs one); with StreamError if the stream ends first, or the client finds the bytes wrong; with SessionClosedError NO_ERROR if this server leaves
   * and the client gets the rest from others.
   */
  sendContent(source: ContentSource, options?: ContentOptions): Promise<void>;
}

export interface ContentOptions {
  /** Where in the content to begin, in bytes: a multiple of 256 KiB. Default 0. */
  offset?: bigint;
  /** How many bytes of it. Default: to its end. */
  length?: bigint;
  /** Whether the stream ends with it, so that it completes even if this server dies. Default false. */
  end?: boolean;
  /**
   * How far ahead of what the client takes hashes of `ContentSource.hashesFrom` are asked for, in bytes of content: beyond the credit that it gave to the stream. At least
   * `maxContentWindowBytes` (64 MiB) of the client, or it waits for hashes. Default: no limit.
   */
  hashesAheadBytes?: number;
  /** Called when the client's credit for the stream grew: it takes what comes. */
  onProgress?: () => void;
}

export interface Session extends AsyncDisposable {
  /** 32 hex digits, assigned by the primary; empty before it has answered (`early`). */
  readonly id: string;
  /**
   * Opens a stream now, also while the session is suspended: what is written waits. Throws StreamLimitError at the peer's limit, PathError HOME_LOST if the server of
   * `pathId` is gone, PathError NO_PATHS while every server is lost and another is looked for, INVALID_ARGUMENT for a priority or path that does not exist.
   */
  openStream(options?: StreamOptions): Stream;
  /** Opens a stream, waiting for the peer's limit, and for a server while every one is lost. It does not block: the name is that of quic-go. */
  openStreamSync(options?: StreamOptions & WaitOptions): Promise<Stream>;
  /** The next stream that the other side opened. Rejects with SessionClosedError at the end. */
  acceptStream(options?: WaitOptions): Promise<Stream>;
  openUniStream(options?: StreamOptions): SendStream;
  openUniStreamSync(options?: StreamOptions & WaitOptions): Promise<SendStream>;
  acceptUniStream(options?: WaitOptions): Promise<ReceiveStream>;
  /** Streams that the other side opens, until the session ends. */
  incomingStreams(): AsyncIterable<Stream>;
  /**
   * Sends one datagram, over the best path unless `options` say otherwise; false if it is larger than `maxDatagramBytes` or cannot be sent now. It may be lost, and
   * overtake others, but never comes twice. What fits into a datagram of the link (about 1200 bytes over QUIC on the internet) waits for nothing; larger ones
   * travel on the link's streams, and wait there behind what was lost.
   */
  sendDatagram(data: Uint8Array, options?: DatagramOptions): boolean;
  /** The largest datagram that `sendDatagram` takes: the limit `maxDatagramBytes`, which should be the same on both sides. */
  readonly maxDatagramBytes: number;
  receiveDatagram(options?: WaitOptions): Promise<Uint8Array>;
  /** Totals and one row per path; cheap. */
  stats(): SessionStats;
  events(): AsyncIterable<SessionEvent>;
  readonly closed: Promise<CloseInfo>;
  /**
   * Ends the session; what was written on closed streams is delivered first, however long its reader takes. Resolves when the other side
   * knows, or a second later. `closeWithError` does not wait for data.
   */
  close(): Promise<void>;
  /** Ends the session now. `code` is a whole number from 0 to 2^32 - 1; of `reason` 512 characters travel. */
  closeWithError(code: number, reason: string): Promise<void>;
}

/** The client's session. Nothing of the control plane is reachable here. */
export interface ClientSession extends Session {
  /**
   * Resolves when the primary has accepted the session, which it has unless `early` was asked of `dial`. Rejects with the KwikError that `dial` would
   * have rejected with; the session has ended then.
   */
  readonly ready: Promise<void>;
}

export interface ServerSession extends Session {
  /** Whether the client treats this server as the session's own. Changes when the primary is lost or leaves: `primary-changed` of `events()`. */
  readonly role: "primary" | "secondary";
  /** Who the client is, as `authenticate` said. */
  readonly clientIdentity: string | undefined;
  /**
   * Asks the client to use a server too; resolves when the path is active, rejects with PathError. `priority` (0 to 255, default 128) holds for what the client
   * sends: the server at its other end is not told of it, and sends as on any path.
   */
  addPath(address: string, options?: { signal?: AbortSignal; identity?: string; priority?: number }): Promise<PathInfo>;
  /** Takes a path out of the session, after what is under way on it but at most `graceMs` (default 1000); resolves when it is closed. */
  removePath(pathId: number, options?: { graceMs?: number }): Promise<void>;
  activePaths(): PathInfo[];
  deadPaths(): PathInfo[];
  /** Every path since the session began. */
  allPaths(): PathInfo[];
  /** Sends bytes to the server at the end of another path, through the client; its reply. */
  sendRaw(data: Uint8Array, pathId: number, options?: WaitOptions): Promise<Uint8Array>;
  /** Says what answers raw messages of other servers. One handler; a later one replaces it. */
  onRaw(handler: RawHandler): void;
  /**
   * Writes bytes into a stream whose home is elsewhere (or here), at an offset. Its writes reject with StreamError if the stream is over,
   * nobody reads it, or it takes no contributions of this server.
   */
  contribute(target: { streamId: bigint; offset: bigint }): Contribution;
}

export interface RawMessage {
  readonly data: Uint8Array;
  /** The path that leads to the server it came from. */
  readonly fromPathId: number;
}

export type RawHandler = (message: RawMessage) => Promise<Uint8Array> | Uint8Array;

export interface Contribution {
  readonly streamId: bigint;
  /** Where the next write goes. */
  readonly offset: bigint;
  /** As SendStream.write. */
  write(data: Uint8Array): Promise<void>;
  /** Resolves when the client has acknowledged all of it. */
  close(): Promise<void>;
  /** Drops what is not sent yet. */
  abort(): void;
}

export interface Listener extends AsyncIterable<ServerSession>, AsyncDisposable {
  /** Really bound "host:port". */
  readonly address: string;
  /** "kwik://host:port" */
  readonly url: string;
  /** "sha256:<hex of SPKI>" */
  readonly identity: string;
  /** Its certificate chain in PEM: for browsers that are to believe this very certificate (`trust.certificates`). */
  readonly certificate: string;
  accept(options?: WaitOptions): Promise<ServerSession>;
  stats(): ListenerStats;
  /**
   * Another certificate for the same key, in PEM: for new connections from now on. Over QUIC the paths of sessions break and are dialled again at once; sessions
   * go on. Rejects with INVALID_ARGUMENT for one that cannot be used or has another key, NOT_SUPPORTED where the transport cannot; nothing has changed then.
   */
  updateTls(tls: { readonly cert: string; readonly key: string }): Promise<void>;
  /**
   * Other keys of tickets, and another list of revoked keys; used tickets stay used, and sessions go on, but those of clients that are on the list now end with AUTH_REFUSED. Rejects with INVALID_ARGUMENT or NOT_TRUSTED for what cannot be
   * used, or a list older than the one in use, NOT_SUPPORTED for a listener without `cluster`; nothing has changed then.
   */
  updateCluster(cluster: ClusterOptions): Promise<void>;
  /**
   * Stops accepting, lets sessions finish for `graceMs` (default 0), then closes them. Resolves earlier when all have ended: clients that know of another server
   * go there, and leave when nothing lives here any more. A later call may only shorten the time.
   */
  close(options?: CloseOptions): Promise<void>;
}

export interface CloseOptions {
  /** How long what lives here may go on, in milliseconds. Default 0. */
  graceMs?: number;
  /**
   * Servers for the clients to use instead, the best first, at most 8: "host:port", or "host:port#sha256:…" with the key that it has to prove, which clients that
   * trust by pin need. Clients under an address policy go where `addPath` could lead them, with a ticket of this server (`cluster`); without one, only to servers of
   * their own list. Default: none. Rejects with INVALID_ARGUMENT for what is no address.
   */
  replacements?: readonly string[];
}
