import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { chainError } from "./chain-error.ts";

/** What a TLS handshake showed of a server; the handshake itself proved that it holds the certificate's key. */
export interface ShownServer {
  /** The server's own certificate; undefined if it showed none. */
  readonly certificate: X509Certificate | undefined;
  /**
   * OpenSSL's code for what is wrong with the chain under the authorities that the connection was made with (those of the dial plan, else the
   * system's); undefined if it is good. Names are not part of it.
   */
  readonly chainError: string | undefined;
}

/**
 * What the server at the other end of a connection has shown. In a resumed connection it shows nothing again: `kept` is its certificate of
 * the first one, and only whoever had that certificate's key then knows the secret to resume it.
 */
export function shownBy(socket: TLSSocket, kept?: X509Certificate): ShownServer {
  return { certificate: socket.isSessionReused() ? kept : socket.getPeerX509Certificate(), chainError: chainError(socket) };
}
