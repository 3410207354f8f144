import type { Socket } from "node:net";
import { formatAddress } from "@kwik/core";

/** "host:port" of the other end; undefined if it is gone already. */
export function remoteAddressOf(socket: Pick<Socket, "remoteAddress" | "remotePort">): string | undefined {
  return addressOf(socket.remoteAddress, socket.remotePort);
}

/** "host:port" of this end; undefined if it is gone already. */
export function localAddressOf(socket: Pick<Socket, "localAddress" | "localPort">): string | undefined {
  return addressOf(socket.localAddress, socket.localPort);
}

function addressOf(host: string | undefined, port: number | undefined): string | undefined {
  if (host === undefined || port === undefined) return undefined;
  // A socket for both families shows IPv4 addresses in IPv6's notation.
  return formatAddress({ host: host.replace(/^::ffff:(?=\d+\.)/i, ""), port });
}
