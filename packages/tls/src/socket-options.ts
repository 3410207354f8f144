/**
 * Settings of every TCP socket, both roles. Without delay: what is written leaves at once, since pipes put together what belongs together.
 * Keep-alive frees the sockets of peers that vanished while nobody speaks; kwik has its own, faster liveness while it does.
 */
export const SOCKET_OPTIONS = {
  noDelay: true,
  keepAlive: true,
  /** Milliseconds of silence before the system asks whether the peer is there; how often after that is the system's. */
  keepAliveInitialDelay: 15_000,
} as const;
