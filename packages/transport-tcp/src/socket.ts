import type { Socket } from "node:net";
import { formatAddress } from "@kwik/core";

/** The protocol name of TLS (ALPN). spec: PIPE-1 */
export const PROTOCOL_NAME = "kwik/1";

/**
 * Settings of every socket, both roles. Without delay: what is written leaves at once, since `TcpPipe` puts together what belongs together.
 * Keep-alive frees the sockets of peers that vanished while nobody speaks; kwik has its own, faster liveness while it does.
 */
export const SOCKET_OPTIONS = {
  noDelay: true,
  keepAlive: true,
  /** Milliseconds of silence before the system asks whether the peer is there; how often after that is the system's. */
  keepAliveInitialDelay: 15_000,
} as const;

/** "host:port" of the other end; undefined if it is gone already. */
export function remoteAddressOf(socket: Socket): string | undefined {
  return addressOf(socket.remoteAddress, socket.remotePort);
}

/** "host:port" of this end; undefined if it is gone already. */
export function localAddressOf(socket: Socket): string | undefined {
  return addressOf(socket.localAddress, socket.localPort);
}

function addressOf(host: string | undefined, port: number | undefined): string | undefined {
  if (host === undefined || port === undefined) return undefined;
  // A socket for both families shows IPv4 addresses in IPv6's notation.
  return formatAddress({ host: host.replace(/^::ffff:(?=\d+\.)/i, ""), port });
}
