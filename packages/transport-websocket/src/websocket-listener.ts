import { createServer as createPlainServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { formatAddress, KwikError, type ListenRequest, type TransportListener } from "@kwik/core";
import { resolveHost } from "@kwik/resolve";
import { checkAuthorities } from "./authorities.ts";
import { DEFAULT_HANDSHAKE_TIMEOUT_MS, DEFAULT_MAX_CONNECTIONS } from "./limits.ts";
import { LinkAcceptor } from "./link-acceptor.ts";
import { checkedPath } from "./request-path.ts";
import { UndecidedConnections } from "./undecided-connections.ts";
import { answerToRequest } from "./upgrade-rules.ts";

/** Parts of the transport's options that a listener uses. */
export interface WebSocketListenOptions {
  /** Where the server answers, and where a client asks. Default "/kwik". */
  readonly path?: string;
  /**
   * Whether pages of an origin ("https://example.com") may connect. Asked only for requests that carry an Origin, which browsers send and cannot
   * leave out; others are not refused by it. Default: pages of the host that the request itself names, on any port.
   */
  readonly allowOrigin?: (origin: string) => boolean;
  /** Connections at once. Default 2000. */
  readonly maxConnections?: number;
  /** Time for the TLS handshake, and then again for the request, in milliseconds. Default 10 000. */
  readonly handshakeTimeoutMs?: number;
  /** Authorities (PEM) of client certificates. With them, clients are asked for one; without, none is looked at. */
  readonly clientCa?: string;
  /** Speaks ws:// without TLS: nothing is secret and nobody is proven. For tests. Default false. */
  readonly dangerouslyPlaintext?: boolean;
}

/** A bound HTTPS server that makes links. */
export class WebSocketListener implements TransportListener {
  readonly address: string;
  readonly #server: HttpServer | HttpsServer;
  readonly #acceptor: LinkAcceptor;
  /** All connections, those in the TLS handshake included. */
  readonly #sockets: Set<Socket>;
  #closing: Promise<void> | undefined;

  private constructor(server: HttpServer | HttpsServer, acceptor: LinkAcceptor, sockets: Set<Socket>) {
    this.#server = server;
    this.#acceptor = acceptor;
    this.#sockets = sockets;
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress({ host: address, port });
  }

  /** Binds. Rejects with IO (port in use, address not here), INVALID_ARGUMENT (certificate, key, path, authorities). */
  static async listen(request: ListenRequest, options: WebSocketListenOptions): Promise<WebSocketListener> {
    const path = checkedPath(options.path);
    checkAuthorities(options.clientCa);
    const sockets = new Set<Socket>();
    const undecided = new UndecidedConnections();
    const acceptor = new LinkAcceptor(
      {
        path,
        allowOrigin: options.allowOrigin,
        maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
        isProtectedOutside: false,
        clientCa: options.clientCa,
        dangerouslyPlaintext: options.dangerouslyPlaintext ?? false,
        onAccepted: (socket) => undecided.decide(socket),
      },
      request,
    );
    const [host] = await resolveHost(request.address.host);
    const server = makeServer(request, options, (incoming, response) => answer(incoming, response, path));
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      undecided.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    server.on("upgrade", acceptor.upgrade);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        reject(new KwikError("IO", `cannot listen on ${formatAddress(request.address)}: ${bindProblem(error)}`, { cause: error }));
      });
      server.listen({ host, port: request.address.port, exclusive: true }, resolve);
    });
    server.removeAllListeners("error");
    server.on("error", (error: Error) => request.onNotice?.(`the listener on ${formatAddress(request.address)} failed: ${error.message}`));
    return new WebSocketListener(server, acceptor, sockets);
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.#acceptor.close();
    // What is left never became a link, or is a refusal that is being read.
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

function makeServer(request: ListenRequest, options: WebSocketListenOptions, onRequest: OnRequest): HttpServer | HttpsServer {
  const handshakeTimeoutMs = options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS;
  const limits = {
    headersTimeout: handshakeTimeoutMs,
    requestTimeout: handshakeTimeoutMs,
    // Node looks for slow clients this often.
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, handshakeTimeoutMs / 4)),
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  if (options.dangerouslyPlaintext === true) return createPlainServer(limits, onRequest);
  try {
    return createTlsServer(
      {
        ...limits,
        cert: request.tls.cert,
        key: request.tls.key,
        minVersion: "TLSv1.3",
        handshakeTimeout: handshakeTimeoutMs,
        ca: options.clientCa,
        requestCert: options.clientCa !== undefined,
        // The acceptor refuses in words that the client sees; a client without a certificate is not refused.
        rejectUnauthorized: false,
      },
      onRequest,
    );
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KwikError("INVALID_ARGUMENT", `the certificate and key cannot be used; they must be PEM and belong together (${message})`, {
      cause,
    });
  }
}

/** A request's headers, at most: cookies of a page on the same host come along. */
const MAX_HEADER_BYTES = 16 * 1024;

function answer(request: IncomingMessage, response: ServerResponse, path: string): void {
  const { status, text } = answerToRequest(request, path);
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    ...(status === 426 ? { Upgrade: "websocket", Connection: "Upgrade, close" } : { Connection: "close" }),
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

/** Why an address cannot be bound, in plain words. */
function bindProblem(error: NodeJS.ErrnoException): string {
  if (error.code === "EADDRINUSE") return "the address is already in use";
  if (error.code === "EADDRNOTAVAIL") return "this machine has no such address";
  return error.code === "EACCES" ? "this port needs more rights" : error.message;
}
