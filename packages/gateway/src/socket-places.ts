import type { Socket } from "node:net";
import type { TunnelAddress } from "@kwik/tunnel";

/** From where a socket is connected; undefined for unix sockets. */
export function localOf(socket: Socket): TunnelAddress | undefined {
  const { localAddress, localPort } = socket;
  return localAddress === undefined || localPort === undefined ? undefined : { host: localAddress, port: localPort };
}

/** Where it leads; port 0 for unix sockets. */
export function destinationOf(socket: Socket): TunnelAddress {
  return { host: socket.remoteAddress ?? "0.0.0.0", port: socket.remotePort ?? 0 };
}

/** The same as a text. */
export function remoteOf(socket: Socket): string {
  const { host, port } = destinationOf(socket);
  return port === 0 ? "unix" : `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
