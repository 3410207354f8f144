import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface RawConnection {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  heard(): string;
  close(): void;
}

/** A connection of raw bytes to this machine; with `alpn`, over TLS. */
export async function connectRaw(port: number, alpn?: string[]): Promise<RawConnection> {
  const address = { host: "127.0.0.1", port };
  const socket = alpn === undefined ? connectTcp(address) : connectTls({ ...address, rejectUnauthorized: false, ALPNProtocols: alpn });
  let heard = "";
  socket.on("data", (data) => (heard += data.toString("latin1"))).on("error", () => undefined);
  // Not `once`, which rejects with the reset that some of these end with.
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, alpn === undefined ? "connect" : "secureConnect");
  return { socket, closed, heard: () => heard, close: () => socket.destroy() };
}
