/** What a proxy takes upon itself. Each is a field of `ProxyOptions.limits`. */
export interface ProxyLimits {
  /** Local connections of one listener at once; more are closed at once. */
  readonly maxConnections: number;
  /** How long a local client may take for its handshake or its request's head, in milliseconds. */
  readonly handshakeTimeoutMs: number;
  /** How long a connection waits for a session where there is none, in milliseconds. */
  readonly sessionWaitMs: number;
  /** How long a gateway may take to answer, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** A connection in which nothing moved for so long ends, in milliseconds. 0: never. */
  readonly idleTimeoutMs: number;
  /** The same once one direction has ended, in milliseconds. */
  readonly halfCloseTimeoutMs: number;
}

export const DEFAULT_PROXY_LIMITS: ProxyLimits = {
  maxConnections: 10_000,
  handshakeTimeoutMs: 10_000,
  sessionWaitMs: 10_000,
  // Above the gateway's 10 s, so that its reason is heard.
  connectTimeoutMs: 15_000,
  // The gateway's own times come first.
  idleTimeoutMs: 0,
  halfCloseTimeoutMs: 0,
};
