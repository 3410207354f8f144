/** What a gateway takes upon itself. Each is a field of `GatewayOptions.limits`. */
export interface GatewayLimits {
  /** Connections and associations of all clients together. */
  readonly maxConnections: number;
  /** Connections and associations of one client: over all its sessions. */
  readonly maxConnectionsPerClient: number;
  /** How long a request may take to come in whole, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** How long a target may take to be resolved and connected, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** A connection in which nothing moved for so long ends, in milliseconds. 0: never. */
  readonly idleTimeoutMs: number;
  /** The same once one direction has ended, in milliseconds. */
  readonly halfCloseTimeoutMs: number;
  /** A UDP association without a datagram for so long ends, in milliseconds. */
  readonly udpIdleTimeoutMs: number;
}

export const DEFAULT_GATEWAY_LIMITS: GatewayLimits = {
  maxConnections: 10_000,
  maxConnectionsPerClient: 1_000,
  requestTimeoutMs: 10_000,
  // Below what `openTunnel` waits for, so that clients hear the reason.
  connectTimeoutMs: 10_000,
  // As long as idle sessions of ssh and databases are usually left alone.
  idleTimeoutMs: 3_600_000,
  halfCloseTimeoutMs: 60_000,
  udpIdleTimeoutMs: 60_000,
};
