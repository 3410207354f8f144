import type { X509Certificate } from "node:crypto";
import { createServer as createSocketServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Server as TlsServer, TLSSocket } from "node:tls";
import { ErrorCode, formatAddress, KwikError, PipeLink } from "@kwik/core";
import type { ListenRequest, TransportListener } from "@kwik/core";
import { resolveHost } from "@kwik/resolve";
import {
  bindProblem,
  DEFAULT_MAX_CONNECTIONS,
  FIRST_BYTES_TIMEOUT_MS,
  handshakeProblem,
  type HttpAcceptor,
  localAddressOf,
  offerLink,
  parseAuthorities,
  RefusalNotices,
  remoteAddressOf,
  serverOptions,
  SOCKET_OPTIONS,
  UndecidedConnections,
  verifyClient,
} from "@kwik/tls";
import { PROTOCOL_NAME } from "./protocol-name.ts";
import { TcpPipe } from "./tcp-pipe.ts";

/** Parts of the transport's options that a listener uses. */
export interface TcpListenOptions {
  /** Connections at once, those in their handshake included; more are refused. Default 2000, as over QUIC. */
  readonly maxConnections?: number;
  /**
   * Authorities (PEM) of client certificates. With them, clients are asked for one, and refused if it does not verify; without, none is
   * looked at.
   */
  readonly clientCa?: string;
  /**
   * Shares the port: TLS connections whose ALPN is "http/1.1", or that offer none, go to what this makes for each listener (`webSocketOver` of
   * the WebSocket transport, for instance) instead of being refused. The bounds of this listener hold for them too, and only clients whose
   * certificate is in order get there. Needs TLS.
   */
  readonly http?: (request: ListenRequest) => HttpAcceptor;
}

/** The protocol name of HTTP in TLS (ALPN). */
const HTTP_NAME = "http/1.1";

/** What of a listener there is with TLS only. */
interface Secured {
  readonly tls: TlsServer | undefined;
  readonly http: HttpAcceptor | undefined;
  readonly authorities: readonly X509Certificate[] | undefined;
}

/** A bound server. A link is told of when its client has spoken. */
export class TcpListener implements TransportListener {
  readonly address: string;
  readonly #request: ListenRequest;
  /** Of client certificates; without, none is looked at. */
  readonly #authorities: readonly X509Certificate[] | undefined;
  readonly #server: Server;
  /** Never bound itself: is given the connections that `#server` accepts. Undefined without TLS. */
  readonly #tls: TlsServer | undefined;
  readonly #http: HttpAcceptor | undefined;
  /** Connections in their handshake. */
  readonly #undecided: UndecidedConnections;
  readonly #links = new Map<Socket, PipeLink>();
  readonly #refusals: RefusalNotices;
  #closing: Promise<void> | undefined;

  private constructor(server: Server, { tls, http, authorities }: Secured, request: ListenRequest, options: TcpListenOptions) {
    this.#http = http;
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress({ host: address, port });
    this.#request = request;
    this.#authorities = authorities;
    this.#server = server;
    this.#tls = tls;
    this.#refusals = new RefusalNotices(request);
    this.#undecided = new UndecidedConnections(
      (socket, why) => this.#refusals.add(remoteAddressOf(socket) ?? "somebody", why, "connections"),
      request.limits?.maxHandshakes,
    );
    server.maxConnections = options.maxConnections ?? request.limits?.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    server.on("connection", (socket) => this.#onConnection(socket));
    server.on("drop", (data) => {
      const why = `there are ${server.maxConnections} connections already (maxConnections)`;
      this.#refusals.add(data?.remoteAddress ?? "somebody", why, "connections");
    });
    // Files or memory ran out for one connection; the server goes on.
    server.on("error", (error) => this.#notice(`a connection could not be accepted: ${error.message}`));
    tls?.on("secureConnection", (socket) => this.#onSecured(socket));
    tls?.on("tlsClientError", (error, socket) => this.#onHandshakeFailed(error, socket));
  }

  /** Binds. Rejects with IO (port in use, address not here), INVALID_ARGUMENT (certificate or key), UNREACHABLE (unknown name). */
  static async listen(request: ListenRequest, options: TcpListenOptions, isPlaintext: boolean): Promise<TcpListener> {
    if (isPlaintext && options.http !== undefined) {
      throw new KwikError("INVALID_ARGUMENT", "the port can be shared (http) only with TLS: its ALPN tells who is meant");
    }
    const [host] = await resolveHost(request.address.host);
    const clientCa = request.clientCa ?? options.clientCa;
    const authorities =
      isPlaintext || clientCa === undefined ? undefined : parseAuthorities(clientCa, "authorities of client certificates (clientCa)");
    const names = options.http === undefined ? [PROTOCOL_NAME] : [PROTOCOL_NAME, HTTP_NAME];
    const tls = isPlaintext
      ? undefined
      : createTlsServer({ ...serverOptions(request.tls, authorities, request.limits?.handshakeTimeoutMs), ALPNProtocols: names });
    const http = options.http?.(request);
    const server = createSocketServer(SOCKET_OPTIONS);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host, port: request.address.port }, resolve);
      });
    } catch (cause) {
      await http?.close();
      throw new KwikError("IO", `cannot listen on ${formatAddress(request.address)}: ${bindProblem(cause as NodeJS.ErrnoException)}`, {
        cause,
      });
    }
    server.removeAllListeners("error");
    return new TcpListener(server, { tls, http, authorities }, request, options);
  }

  /** Connections that are there keep the certificate that they were made with. */
  async updateTls(tls: ListenRequest["tls"]): Promise<void> {
    const { cert, key, ca, minVersion } = serverOptions(tls, this.#authorities);
    this.#tls?.setSecureContext({ cert, key, minVersion, ...(ca === undefined ? {} : { ca }) });
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      // Called back when all connections are gone, which takes a link a second at most.
      this.#server.close(() => resolve());
      this.#undecided.destroy();
      for (const link of this.#links.values()) link.close(ErrorCode.GOING_AWAY, "the server has shut down");
    });
    await this.#http?.close();
    await closed;
  }

  #onConnection(socket: Socket): void {
    const remote = remoteAddressOf(socket);
    // Before TLS nothing could be said, and nothing is paid yet.
    if (remote === undefined || this.#closing !== undefined || this.#request.onConnection?.(remote) !== undefined) {
      socket.destroy();
      return;
    }
    this.#undecided.add(socket);
    if (this.#tls === undefined) {
      this.#open(socket, remote, undefined);
      return;
    }
    // Its errors are told by the TLS socket around it.
    socket.on("error", () => undefined);
    this.#tls.emit("connection", socket);
  }

  #onHandshakeFailed(error: Error, socket: TLSSocket): void {
    // Node leaves the socket of a handshake that took too long open.
    const remote = remoteAddressOf(socket) ?? "somebody";
    socket.destroy();
    if (this.#closing === undefined) this.#refusals.add(remote, handshakeProblem(error));
  }

  #onSecured(socket: TLSSocket): void {
    socket.on("error", () => undefined);
    const remote = remoteAddressOf(socket);
    if (remote === undefined || this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    const client = this.#authorities === undefined ? { identity: undefined } : verifyClient(socket, this.#authorities);
    const isKwik = socket.alpnProtocol === PROTOCOL_NAME;
    // A client that offers no protocol at all passes the handshake.
    if (!isKwik && this.#http === undefined) this.#refuse(socket, remote, "it speaks TLS but not kwik");
    else if ("problem" in client) this.#refuse(socket, remote, client.problem);
    else if (!isKwik) this.#handOver(socket, remote);
    else this.#open(socket, remote, client.identity);
  }

  #handOver(socket: TLSSocket, remote: string): void {
    // The receiver has such a bound of its own.
    this.#undecided.decide(socket);
    try {
      this.#http?.accept(socket);
    } catch (error) {
      this.#notice(`the receiver of a connection from ${remote} failed: ${error instanceof Error ? error.message : String(error)}`);
      socket.destroy();
    }
  }

  #refuse(socket: Socket, remote: string, why: string): void {
    socket.destroy();
    this.#refusals.add(remote, why);
  }

  #open(socket: Socket, remote: string, clientIdentity: string | undefined): void {
    const properties = {
      transport: "tcp",
      remoteAddress: remote,
      localAddress: localAddressOf(socket) ?? this.address,
      provenIdentity: undefined,
      clientIdentity,
    };
    const pipe = new TcpPipe(socket, properties, this.#tls !== undefined);
    const link = new PipeLink(pipe, "server");
    const timer = setTimeout(() => {
      this.#refusals.add(remote, "it asked nothing in time", "timeout");
      link.close(ErrorCode.TIMEOUT, "nothing was asked in time");
    }, FIRST_BYTES_TIMEOUT_MS);
    timer.unref();
    pipe.onFirstBytes = () => {
      clearTimeout(timer);
      this.#undecided.decide(socket);
      offerLink(link, this.#request);
    };
    this.#links.set(socket, link);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#links.delete(socket);
    });
  }

  #notice(message: string): void {
    this.#request.onNotice?.(message);
  }
}
