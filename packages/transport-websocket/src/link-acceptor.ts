import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { ErrorCode, type ListenRequest, PipeLink, type WebRules } from "@kwik/core";
import { type ClientProof, FIRST_BYTES_TIMEOUT_MS, localAddressOf, offerLink, type RefusalNotices, remoteAddressOf } from "@kwik/tls";
import { WebSocketServer } from "ws";
import type WebSocket from "ws";
import type { ForwardedAddress } from "./forwarded-address.ts";
import { SUBPROTOCOL, WEBSOCKET_OPTIONS } from "./limits.ts";
import { refuse } from "./refuse.ts";
import { type Refusal, refusalOfUpgrade } from "./upgrade-rules.ts";
import { WsPipe } from "./ws-pipe.ts";

/** How an acceptor treats the connections that come to it. */
export interface AcceptorRules extends WebRules {
  readonly maxConnections: number;
  /** Who the client at the other end of a TLS connection has shown to be. */
  readonly clientOf: (socket: TLSSocket) => ClientProof;
  /** Whom a request comes from, "host:port". */
  readonly forwarded: ForwardedAddress;
  /** A connection has become a link. */
  onAccepted(socket: Socket): void;
  /** The link's client has spoken. */
  onDecided(socket: Socket): void;
}

/** Makes links of the requests for a WebSocket that come to an HTTP server. */
export class LinkAcceptor {
  readonly #rules: AcceptorRules;
  readonly #request: Pick<ListenRequest, "onLink" | "onNotice">;
  readonly #server = new WebSocketServer({
    ...WEBSOCKET_OPTIONS,
    noServer: true,
    clientTracking: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  readonly #refusals: RefusalNotices;
  readonly #links = new Map<WsPipe, PipeLink>();
  #closing: Promise<void> | undefined;
  #onEmpty: () => void = () => undefined;

  constructor(rules: AcceptorRules, request: Pick<ListenRequest, "onLink" | "onNotice">, refusals: RefusalNotices) {
    this.#refusals = refusals;
    this.#rules = rules;
    this.#request = request;
  }

  /** For the server's "upgrade" event. */
  readonly upgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    socket.on("error", () => socket.destroy());
    const refusal = this.#refusal(request, socket);
    if (refusal === undefined) {
      this.#server.handleUpgrade(request, socket, head, (ws) => this.#accept(ws, request, socket));
      return;
    }
    const { notice, reason = "handshake" } = refusal;
    if (notice !== undefined) this.#refusals.add(remoteAddressOf(socket) ?? "somebody", notice, reason);
    refuse(socket, refusal);
  };

  /** For the server's "connect" event: a client takes it for a proxy. */
  readonly connect = (_request: IncomingMessage, socket: Socket): void => {
    socket.on("error", () => socket.destroy());
    refuse(socket, { status: 501, text: "This server is no proxy.\n" });
  };

  /** Ends all links; resolves when their sockets are closed, which takes about a second at most. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#onEmpty = resolve;
      for (const link of this.#links.values()) link.close(ErrorCode.GOING_AWAY, "the server has shut down");
      if (this.#links.size === 0) resolve();
    });
    return this.#closing;
  }

  #refusal(request: IncomingMessage, socket: Socket): Refusal | undefined {
    const rules = this.#rules;
    const refusal = refusalOfUpgrade(request, rules);
    if (refusal !== undefined) return refusal;
    if (this.#closing !== undefined) return { status: 503, text: "The server shuts down.\n" };
    if (this.#links.size >= rules.maxConnections) {
      const notice = `there are ${rules.maxConnections} connections already (maxConnections)`;
      return { status: 503, text: "The server has no room for another connection.\n", notice, reason: "connections" };
    }
    if (!(socket instanceof TLSSocket)) return undefined;
    const client = rules.clientOf(socket);
    return "problem" in client ? { status: 403, text: `The client is refused: ${client.problem}.\n`, notice: client.problem } : undefined;
  }

  #accept(ws: WebSocket, request: IncomingMessage, socket: Socket): void {
    const remoteAddress = this.#rules.forwarded.of(request, socket);
    const client = socket instanceof TLSSocket ? this.#rules.clientOf(socket) : undefined;
    const pipe = new WsPipe({
      ws,
      socket,
      properties: {
        transport: "websocket",
        remoteAddress,
        localAddress: localAddressOf(socket),
        provenIdentity: undefined,
        clientIdentity: client !== undefined && "identity" in client ? client.identity : undefined,
      },
      encrypted: socket instanceof TLSSocket,
      onFirstBytes: () => {
        clearTimeout(timer);
        this.#rules.onDecided(socket);
        // Not before, as over QUIC: who connects and says nothing is nobody's link.
        offerLink(link, this.#request);
      },
      onGone: () => {
        clearTimeout(timer);
        this.#forget(pipe);
      },
      onNotice: (message) => this.#request.onNotice?.(message),
    });
    const link = new PipeLink(pipe, "server");
    this.#links.set(pipe, link);
    this.#rules.onAccepted(socket);
    const timer = setTimeout(() => {
      this.#refusals.add(remoteAddress, "it asked nothing in time", "timeout");
      link.close(ErrorCode.TIMEOUT, "nothing was asked in time");
    }, FIRST_BYTES_TIMEOUT_MS);
    timer.unref();
  }

  #forget(pipe: WsPipe): void {
    this.#links.delete(pipe);
    if (this.#links.size === 0) this.#onEmpty();
  }
}
