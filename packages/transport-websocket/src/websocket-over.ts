import { createServer, type Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type ListenRequest, webRules } from "@kwik/core";
import {
  type ClientProof,
  DEFAULT_MAX_CONNECTIONS,
  HANDSHAKE_TIMEOUT_MS,
  type HttpAcceptor,
  RefusalNotices,
  remoteAddressOf,
  shownIdentity,
  UndecidedConnections,
} from "@kwik/tls";
import { answerRequest } from "./answer-request.ts";
import { ForwardedAddress } from "./forwarded-address.ts";
import { httpLimits } from "./http-limits.ts";
import { LinkAcceptor } from "./link-acceptor.ts";
import { refuse } from "./refuse.ts";
import type { WebSocketListenOptions } from "./websocket-listener.ts";

/** `handshakeTimeoutMs` is the time for the request alone: TLS is done. */
export type WebSocketOverOptions = Pick<WebSocketListenOptions, "maxConnections" | "handshakeTimeoutMs">;

/**
 * kwik over WebSocket on TLS connections of somebody else's port, with the same rules as on a port of its own: for the option `http` of the
 * TCP transport. What is answered makes one acceptor per listener, and throws INVALID_ARGUMENT if the path of the request's `web` is none.
 */
export function webSocketOver(options: WebSocketOverOptions = {}): (request: ListenRequest) => HttpAcceptor {
  return (request) => new WebSocketAcceptor(request, options);
}

class WebSocketAcceptor implements HttpAcceptor {
  /** Never bound: is given the connections. */
  readonly #server: HttpServer;
  readonly #acceptor: LinkAcceptor;
  readonly #undecided: UndecidedConnections;
  readonly #requestTimeoutMs: number;
  /** All connections, with the timers of those whose request is under way. */
  readonly #sockets = new Map<Socket, NodeJS.Timeout>();
  #closing: Promise<void> | undefined;

  constructor(request: ListenRequest, options: WebSocketOverOptions) {
    const rules = webRules(request.web);
    const { limits } = request;
    const refusals = new RefusalNotices(request);
    this.#requestTimeoutMs = options.handshakeTimeoutMs ?? limits?.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    this.#undecided = new UndecidedConnections(
      (socket, why) => refusals.add(remoteAddressOf(socket) ?? "somebody", why, "connections"),
      limits?.maxHandshakes,
    );
    this.#acceptor = new LinkAcceptor(
      {
        ...rules,
        maxConnections: options.maxConnections ?? limits?.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
        clientOf: shownClient,
        forwarded: new ForwardedAddress(request.proxies),
        onAccepted: (socket) => clearTimeout(this.#sockets.get(socket)),
        onDecided: (socket) => this.#undecided.decide(socket),
      },
      request,
      refusals,
    );
    this.#server = createServer(httpLimits(this.#requestTimeoutMs), (incoming, response) => answerRequest(incoming, response, rules.path));
    this.#server.on("upgrade", this.#acceptor.upgrade);
    this.#server.on("connect", this.#acceptor.connect);
  }

  accept(socket: TLSSocket): void {
    socket.on("error", () => socket.destroy());
    if (this.#closing !== undefined || socket.destroyed) {
      socket.destroy();
      return;
    }
    // Node looks for slow clients only on servers that are bound.
    const timer = setTimeout(() => dropSlow(socket), this.#requestTimeoutMs);
    timer.unref();
    this.#sockets.set(socket, timer);
    this.#undecided.add(socket);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    this.#server.emit("connection", socket);
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    await this.#acceptor.close();
    // What is left never became a link, or is a refusal that is being read.
    for (const socket of this.#sockets.keys()) socket.destroy();
  }
}

function shownClient(socket: TLSSocket): ClientProof {
  const certificate = socket.getPeerX509Certificate();
  return { identity: certificate && shownIdentity(certificate) };
}

function dropSlow(socket: Socket): void {
  // What was answered already is not answered again.
  if (socket.writable) refuse(socket, { status: 408, text: "The request took too long.\n" });
  else socket.destroy();
}
