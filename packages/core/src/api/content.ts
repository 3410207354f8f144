/** What a server can deliver in multi-source mode, by id. */
export interface ContentStore {
  /**
   * Opens a content, or answers undefined if it is not here, or not for this client: a client may ask for any id, without a stream that `authorizeStream` would be
   * asked about. A rejection counts as not here. At most 16 calls are under way at once for one session; further contents wait, so a call should not take for ever.
   */
  open(id: string, request?: ContentRequest): Promise<ContentSource | undefined>;
}

/** For whom a content is opened. What was opened is kept for further reads of the same session, and of no other. */
export interface ContentRequest {
  /** Who the client is, as `ServerSession.clientIdentity`. */
  readonly clientIdentity: string | undefined;
  /** 32 hex digits. */
  readonly sessionId: string;
}

/** Bytes that can be read at any offset. Two sources with equal id, version and length must have equal bytes. */
export interface ContentSource {
  readonly id: string;
  /** Changes whenever the bytes change. Servers mix only equal versions. */
  readonly version: string;
  readonly length: bigint;
  /**
   * Exactly `length` bytes from `offset`, or a rejection. Called with block-aligned ranges, several at once.
   * The returned bytes belong to kwik.
   */
  read(offset: bigint, length: number): Promise<Uint8Array>;
  /** SHA-256 of each block of `blockBytes`, if they are known; else kwik reads the content once to make them. */
  hashes?(blockBytes: number): Promise<readonly Uint8Array[]>;
  /**
   * Where `hashes` is not there: the same from the block at `offset` on, one after the other as they become known, for a content that is being read anyway. What is missing
   * when it ends is read. Used for contents that are sent to their end.
   */
  hashesFrom?(offset: bigint, blockBytes: number): AsyncIterable<Uint8Array>;
  /** Releases what `open` took. Called once for each `open`: when nothing reads what that one gave any more, or the session is over. */
  close?(): Promise<void>;
}
