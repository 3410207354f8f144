import { createServer as createPlainServer, type RequestListener, type Server as HttpServer } from "node:http";
import { createServer as createTlsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { formatAddress, KwikError, type ListenRequest, type TransportListener, webRules } from "@kwik/core";
import { resolveHost } from "@kwik/resolve";
import {
  bindProblem,
  DEFAULT_MAX_CONNECTIONS,
  HANDSHAKE_TIMEOUT_MS,
  handshakeProblem,
  parseAuthorities,
  RefusalNotices,
  remoteAddressOf,
  serverOptions,
  SOCKET_OPTIONS,
  UndecidedConnections,
  verifyClient,
} from "@kwik/tls";
import { answerRequest } from "./answer-request.ts";
import { httpLimits } from "./http-limits.ts";
import { LinkAcceptor } from "./link-acceptor.ts";

/** Parts of the transport's options that a listener uses. */
export interface WebSocketListenOptions {
  /** Links at once; a client beyond them is answered with a 503 that says so. Default 2000. */
  readonly maxConnections?: number;
  /** Time for the TLS handshake, and then again for the request, in milliseconds. Default 5000. */
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
    const rules = webRules(request.web);
    const { clientCa } = options;
    const isPlaintext = options.dangerouslyPlaintext === true;
    const authorities =
      isPlaintext || clientCa === undefined ? undefined : parseAuthorities(clientCa, "authorities of client certificates (clientCa)");
    const sockets = new Set<Socket>();
    const refusals = new RefusalNotices((message) => request.onNotice?.(message));
    const refuse = (socket: Socket, why: string): void => refusals.add(remoteAddressOf(socket) ?? "somebody", why);
    const undecided = new UndecidedConnections(refuse);
    const acceptor = new LinkAcceptor(
      {
        ...rules,
        maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
        clientOf: (socket) => verifyClient(socket, authorities),
        onAccepted: (socket) => undecided.decide(socket),
      },
      request,
      refusals,
    );
    const [host] = await resolveHost(request.address.host);
    const handshakeTimeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const onRequest: RequestListener = (incoming, response) => answerRequest(incoming, response, rules.path);
    const common = { ...SOCKET_OPTIONS, ...httpLimits(handshakeTimeoutMs) };
    const server = isPlaintext
      ? createPlainServer(common, onRequest)
      : createTlsServer({ ...common, ...serverOptions(request.tls, authorities, handshakeTimeoutMs) }, onRequest);
    // First, while the socket still knows its address: Node's own listener closes it.
    server.prependListener("tlsClientError", (error: Error, socket: TLSSocket) => {
      if (server.listening) refuse(socket, handshakeProblem(error));
    });
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      undecided.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    server.on("upgrade", acceptor.upgrade);
    server.on("connect", acceptor.connect);
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
