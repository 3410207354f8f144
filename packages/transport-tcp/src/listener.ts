import type { X509Certificate } from "node:crypto";
import { createServer as createSocketServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Server as TlsServer, TLSSocket } from "node:tls";
import { ErrorCode, formatAddress, KwikError, PipeLink } from "@kwik/core";
import type { ListenRequest, TransportListener } from "@kwik/core";
import { resolveHost } from "@kwik/resolve";
import { clientProblem } from "./client-proof.ts";
import { bindProblem, handshakeProblem } from "./listen-problem.ts";
import { pemCertificates } from "./pem-certificates.ts";
import { RefusalNotices } from "./refusal-notices.ts";
import { certificateIdentity } from "./server-proof.ts";
import { localAddressOf, PROTOCOL_NAME, remoteAddressOf, SOCKET_OPTIONS } from "./socket.ts";
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
}

const DEFAULT_MAX_CONNECTIONS = 2_000;

/** How long a TLS handshake may take, in milliseconds: two round trips and a signature, on a bad network. */
const HANDSHAKE_TIMEOUT_MS = 5_000;

/**
 * Handshakes at once. Each costs about 50 KB before anything is known of the client. When there are more, the oldest makes room: those that
 * only hold a place are the oldest, those that mean it are done soon.
 */
const MAX_HANDSHAKES = 256;

/** How long a client may take to say what it wants, in milliseconds, once connected. The same as over QUIC. */
const FIRST_BYTES_TIMEOUT_MS = 5_000;

/** A bound server. A link is told of when its client has spoken. */
export class TcpListener implements TransportListener {
  readonly address: string;
  readonly #request: ListenRequest;
  /** Of client certificates; without, none is looked at. */
  readonly #authorities: readonly X509Certificate[] | undefined;
  readonly #server: Server;
  /** Never bound itself: is given the connections that `#server` accepts. Undefined without TLS. */
  readonly #tls: TlsServer | undefined;
  /** Connections in their handshake by remote address, the oldest first. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #links = new Map<Socket, PipeLink>();
  readonly #refusals: RefusalNotices;
  #closing: Promise<void> | undefined;

  private constructor(
    server: Server,
    tls: TlsServer | undefined,
    authorities: readonly X509Certificate[] | undefined,
    request: ListenRequest,
    options: TcpListenOptions,
  ) {
    const { address, port } = server.address() as AddressInfo;
    this.address = formatAddress({ host: address, port });
    this.#request = request;
    this.#authorities = authorities;
    this.#server = server;
    this.#tls = tls;
    this.#refusals = new RefusalNotices((message) => this.#notice(message));
    server.maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    server.on("connection", (socket) => this.#onConnection(socket));
    server.on("drop", (data) =>
      this.#refusals.add(data?.remoteAddress ?? "somebody", `there are ${server.maxConnections} connections already`),
    );
    // Files or memory ran out for one connection; the server goes on.
    server.on("error", (error) => this.#notice(`a connection could not be accepted: ${error.message}`));
    tls?.on("secureConnection", (socket) => this.#onSecured(socket));
    tls?.on("tlsClientError", (error, socket) => this.#onHandshakeFailed(error, socket));
  }

  /** Binds. Rejects with IO (port in use, address not here), INVALID_ARGUMENT (certificate or key), UNREACHABLE (unknown name). */
  static async listen(request: ListenRequest, options: TcpListenOptions, isPlaintext: boolean): Promise<TcpListener> {
    const [host] = await resolveHost(request.address.host);
    const authorities = isPlaintext ? undefined : readAuthorities(options.clientCa);
    const tls = isPlaintext ? undefined : makeTlsServer(request, authorities);
    const server = createSocketServer(SOCKET_OPTIONS);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) =>
        reject(new KwikError("IO", `cannot listen on ${formatAddress(request.address)}: ${bindProblem(error)}`, { cause: error })),
      );
      server.listen({ host, port: request.address.port }, resolve);
    });
    server.removeAllListeners("error");
    return new TcpListener(server, tls, authorities, request, options);
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      // Called back when all connections are gone, which takes a link a second at most.
      this.#server.close(() => resolve());
      for (const socket of this.#handshakes.values()) socket.destroy();
      for (const link of this.#links.values()) link.close(ErrorCode.GOING_AWAY, "the server has shut down");
    });
    return this.#closing;
  }

  #onConnection(socket: Socket): void {
    const remote = remoteAddressOf(socket);
    if (remote === undefined || this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    if (this.#tls === undefined) {
      this.#open(socket, remote, undefined);
      return;
    }
    if (this.#handshakes.size >= MAX_HANDSHAKES) this.#dropOldestHandshake();
    this.#handshakes.set(remote, socket);
    // Its errors are told by the TLS socket around it.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      if (this.#handshakes.get(remote) === socket) this.#handshakes.delete(remote);
    });
    this.#tls.emit("connection", socket);
  }

  #dropOldestHandshake(): void {
    for (const [remote, socket] of this.#handshakes) {
      this.#handshakes.delete(remote);
      socket.destroy();
      this.#refusals.add(remote, `more than ${MAX_HANDSHAKES} handshakes at once, and this was the oldest`);
      return;
    }
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
    if (remote !== undefined) this.#handshakes.delete(remote);
    if (remote === undefined || this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    const certificate = this.#authorities === undefined ? undefined : socket.getPeerX509Certificate();
    const problem =
      // A client that offers no protocol at all passes the handshake.
      socket.alpnProtocol !== PROTOCOL_NAME
        ? "it speaks TLS but not kwik"
        : certificate && clientProblem(socket, certificate, this.#authorities ?? []);
    if (problem !== undefined) this.#refuse(socket, remote, problem);
    else this.#open(socket, remote, certificate && certificateIdentity(certificate));
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
    const timer = setTimeout(() => link.close(ErrorCode.TIMEOUT, "nothing was asked in time"), FIRST_BYTES_TIMEOUT_MS);
    timer.unref();
    pipe.onFirstBytes = () => {
      clearTimeout(timer);
      this.#offer(link, remote);
    };
    this.#links.set(socket, link);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#links.delete(socket);
    });
  }

  #offer(link: PipeLink, remote: string): void {
    try {
      this.#request.onLink(link);
    } catch (error) {
      this.#notice(`the receiver of a link from ${remote} failed: ${error instanceof Error ? error.message : String(error)}`);
      link.close(ErrorCode.INTERNAL_ERROR, "the receiver failed");
    }
  }

  #notice(message: string): void {
    this.#request.onNotice?.(message);
  }
}

function readAuthorities(clientCa: string | undefined): readonly X509Certificate[] | undefined {
  try {
    return clientCa === undefined ? undefined : pemCertificates(clientCa);
  } catch (error) {
    throw new KwikError("INVALID_ARGUMENT", "the authorities of client certificates (clientCa) cannot be used; they must be PEM", {
      cause: error,
    });
  }
}

function makeTlsServer(request: ListenRequest, authorities: readonly X509Certificate[] | undefined): TlsServer {
  try {
    return createTlsServer({
      cert: request.tls.cert,
      key: request.tls.key,
      minVersion: "TLSv1.3",
      ALPNProtocols: [PROTOCOL_NAME],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      requestCert: authorities !== undefined,
      // Decided here, with a notice: Node would also refuse clients without a certificate.
      rejectUnauthorized: false,
      ...(authorities === undefined ? {} : { ca: authorities.map(String) }),
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new KwikError("INVALID_ARGUMENT", `the certificate and key cannot be used; they must be PEM and belong together (${message})`, {
      cause: error,
    });
  }
}
