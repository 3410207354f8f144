import type { X509Certificate } from "node:crypto";
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
import { ForwardedAddress } from "./forwarded-address.ts";
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
  /** Of client certificates. */
  readonly #authorities: readonly X509Certificate[] | undefined;
  /** All connections, those in the TLS handshake included. */
  readonly #sockets: Set<Socket>;
  #closing: Promise<void> | undefined;

  private constructor(
    server: HttpServer | HttpsServer,
    acceptor: LinkAcceptor,
    sockets: Set<Socket>,
    authorities: readonly X509Certificate[] | undefined,
  ) {
    this.#server = server;
    this.#authorities = authorities;
    this.#acceptor = acceptor;
    this.#sockets = sockets;
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress({ host: address, port });
  }

  /** Binds. Rejects with IO (port in use, address not here), INVALID_ARGUMENT (certificate, key, path, authorities). */
  static async listen(request: ListenRequest, options: WebSocketListenOptions): Promise<WebSocketListener> {
    const rules = webRules(request.web);
    const clientCa = request.clientCa ?? options.clientCa;
    const { limits } = request;
    const isPlaintext = options.dangerouslyPlaintext === true;
    const authorities =
      isPlaintext || clientCa === undefined ? undefined : parseAuthorities(clientCa, "authorities of client certificates (clientCa)");
    const sockets = new Set<Socket>();
    const refusals = new RefusalNotices(request);
    const undecided = new UndecidedConnections(
      (socket, why) => refusals.add(remoteAddressOf(socket) ?? "somebody", why, "connections"),
      limits?.maxHandshakes,
    );
    const acceptor = new LinkAcceptor(
      {
        ...rules,
        maxConnections: options.maxConnections ?? limits?.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
        clientOf: (socket) => verifyClient(socket, authorities),
        forwarded: new ForwardedAddress(request.proxies),
        onAccepted: () => undefined,
        onDecided: (socket) => undecided.decide(socket),
      },
      request,
      refusals,
    );
    const [host] = await resolveHost(request.address.host);
    const handshakeTimeoutMs = options.handshakeTimeoutMs ?? limits?.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const onRequest: RequestListener = (incoming, response) => answerRequest(incoming, response, rules.path);
    const common = { ...SOCKET_OPTIONS, ...httpLimits(handshakeTimeoutMs) };
    const server = isPlaintext
      ? createPlainServer(common, onRequest)
      : createTlsServer({ ...common, ...serverOptions(request.tls, authorities, handshakeTimeoutMs) }, onRequest);
    // First, while the socket still knows its address: Node's own listener closes it.
    server.prependListener("tlsClientError", (error: Error, socket: TLSSocket) => {
      // One that was closed here has no address any more, and was told of.
      const remote = remoteAddressOf(socket);
      if (server.listening && remote !== undefined) refusals.add(remote, handshakeProblem(error));
    });
    // First, before anybody reads: what is refused here has cost nothing yet.
    server.prependListener("connection", (socket: Socket) => {
      const remote = remoteAddressOf(socket);
      if (remote === undefined || request.onConnection?.(remote) !== undefined) {
        socket.destroy();
        return;
      }
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
    return new WebSocketListener(server, acceptor, sockets, authorities);
  }

  /** Connections that are there keep the certificate that they were made with. */
  async updateTls(tls: ListenRequest["tls"]): Promise<void> {
    if (!("setSecureContext" in this.#server)) return;
    const { cert, key, ca, minVersion } = serverOptions(tls, this.#authorities);
    this.#server.setSecureContext({ cert, key, minVersion, ...(ca === undefined ? {} : { ca }) });
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
