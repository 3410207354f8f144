import type { TLSSocket } from "node:tls";

/** Serves HTTP on connections that somebody else has accepted. */
export interface HttpAcceptor {
  /**
   * A connection whose TLS handshake is done; the socket is the acceptor's from here on. If its client shows a certificate, it has been
   * verified and its key is of a kind that can be checked.
   */
  accept(socket: TLSSocket): void;
  /** Ends all connections; resolves when they are closed. */
  close(): Promise<void>;
}
