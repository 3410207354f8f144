/** What a relay takes upon itself. Each is a field of `RelayServerOptions.limits`. */
export interface RelayLimits {
  /** Links of all clients together. */
  readonly maxLinks: number;
  /** Links of one client: over all its sessions. */
  readonly maxLinksPerClient: number;
  /** How long a home may take to be resolved and connected, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** A link in which nothing moved for so long ends, in milliseconds. 0: never. */
  readonly idleTimeoutMs: number;
  /** The same once one direction has ended, in milliseconds. */
  readonly halfCloseTimeoutMs: number;
}

export const DEFAULT_RELAY_LIMITS: RelayLimits = {
  maxLinks: 2_000,
  // A session has 16 paths at most.
  maxLinksPerClient: 64,
  // Below what a client gives a link, so that it hears the reason.
  connectTimeoutMs: 4_000,
  // Idle paths are probed every second.
  idleTimeoutMs: 30_000,
  // A pipe of kwik has no use for one direction.
  halfCloseTimeoutMs: 2_000,
};
