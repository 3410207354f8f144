/** What a gateway takes upon itself for responses that come from several replicas. Each is a field of `GatewayOptions.originLimits`. */
export interface OriginLimits {
  /** Responses with less than this pass as they are, in bytes. At least 512 KiB. */
  readonly minReplicatedBytes: number;
  /** Connections for ranges to one origin at once, of all clients together; further ranges wait, and sessions take turns. A session asks for 2 MiB at once. */
  readonly maxRangeConnections: number;
  /** Of these, one session's, at most; its further ranges wait. */
  readonly maxRangesPerSession: number;
  /** How long a range may take, from the wait for a connection to its last byte, in milliseconds. */
  readonly rangeTimeoutMs: number;
  /** How long a response may be held up by the first range that is asked for on trial, in milliseconds; then it passes as it is. */
  readonly trialTimeoutMs: number;
  /**
   * How far a body may be read and hashed ahead of what its client takes, in bytes: beyond the credit that the client gave to the stream. Less than a client's `maxContentWindowBytes`
   * makes it wait for hashes. What is left of a body beyond it dies with this gateway.
   */
  readonly maxHashedAheadBytes: number;
  /** Head of a request or a response, at most, in bytes; a connection with a longer one passes as it is. */
  readonly maxHeadBytes: number;
}

export const DEFAULT_ORIGIN_LIMITS: OriginLimits = {
  // Sixteen blocks: with fewer, asking and hashing cost what several sources gain.
  minReplicatedBytes: 4 * 1024 * 1024,
  maxRangeConnections: 32,
  maxRangesPerSession: 8,
  rangeTimeoutMs: 10_000,
  trialTimeoutMs: 2_000,
  // What a client asks for ahead of its reader, at most.
  maxHashedAheadBytes: 64 * 1024 * 1024,
  maxHeadBytes: 32 * 1024,
};
