import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { ErrorCode, formatAddress, type ListenRequest, PipeLink } from "@kwik/core";
import { WebSocketServer } from "ws";
import type WebSocket from "ws";
import { verifyClient } from "./client-certificate.ts";
import { FIRST_BYTES_TIMEOUT_MS, SOCKET_OPTIONS, SUBPROTOCOL } from "./limits.ts";
import { type Refusal, refusalOfUpgrade, type UpgradeRules } from "./upgrade-rules.ts";
import { WsPipe } from "./ws-pipe.ts";

/** How an acceptor treats the connections that come to it. */
export interface AcceptorRules extends UpgradeRules {
  readonly maxConnections: number;
  /** Whether bytes are protected on the way although the socket here is no TLS socket: by a gateway, for instance. */
  readonly isProtectedOutside: boolean;
  /** Authorities (PEM) of client certificates, if the server asks for one. */
  readonly clientCa: string | undefined;
  /** Whether connections without any protection are taken. */
  readonly dangerouslyPlaintext: boolean;
  /** A connection has become a link. */
  onAccepted?(socket: Socket): void;
}

/** Makes links of the requests for a WebSocket that come to an HTTP server. */
export class LinkAcceptor {
  readonly #rules: AcceptorRules;
  readonly #request: Pick<ListenRequest, "onLink" | "onNotice">;
  readonly #server = new WebSocketServer({ ...SOCKET_OPTIONS, noServer: true, clientTracking: false, handleProtocols: () => SUBPROTOCOL });
  readonly #links = new Map<WsPipe, PipeLink>();
  #hasWarnedOfLimit = false;
  #closing: Promise<void> | undefined;
  #onEmpty: () => void = () => undefined;

  constructor(rules: AcceptorRules, request: Pick<ListenRequest, "onLink" | "onNotice">) {
    this.#rules = rules;
    this.#request = request;
  }

  /** For the server's "upgrade" event. */
  readonly upgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    socket.on("error", () => socket.destroy());
    const refusal = this.#refusal(request, socket);
    if (refusal === undefined) this.#server.handleUpgrade(request, socket, head, (ws) => this.#accept(ws, socket));
    else refuse(socket, refusal);
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
      this.#warnOfLimit();
      return { status: 503, text: "The server has no room for another connection.\n" };
    }
    if (!(socket instanceof TLSSocket)) {
      if (rules.isProtectedOutside || rules.dangerouslyPlaintext) return undefined;
      return { status: 403, text: "kwik needs TLS.\n" };
    }
    const client = verifyClient(socket, rules.clientCa);
    return "problem" in client ? { status: 403, text: `The client's certificate is refused: ${client.problem}.\n` } : undefined;
  }

  #accept(ws: WebSocket, socket: Socket): void {
    const remoteAddress = formatAddress({ host: plainIp(socket.remoteAddress), port: socket.remotePort ?? 0 });
    const client = socket instanceof TLSSocket ? verifyClient(socket, this.#rules.clientCa) : undefined;
    const pipe = new WsPipe({
      ws,
      socket,
      properties: {
        transport: "websocket",
        remoteAddress,
        localAddress: formatAddress({ host: plainIp(socket.localAddress), port: socket.localPort ?? 0 }),
        provenIdentity: undefined,
        clientIdentity: client !== undefined && "identity" in client ? client.identity : undefined,
      },
      encrypted: socket instanceof TLSSocket || this.#rules.isProtectedOutside,
      onFirstBytes: () => {
        clearTimeout(timer);
        this.#offer(link, remoteAddress);
      },
      onGone: () => {
        clearTimeout(timer);
        this.#forget(pipe);
      },
      onNotice: (message) => this.#request.onNotice?.(message),
    });
    const link = new PipeLink(pipe, "server");
    this.#links.set(pipe, link);
    this.#rules.onAccepted?.(socket);
    const timer = setTimeout(() => link.close(ErrorCode.TIMEOUT, "nothing was asked in time"), FIRST_BYTES_TIMEOUT_MS);
    timer.unref();
  }

  /** Not before the first bytes, as over QUIC: who connects and says nothing is nobody's link. */
  #offer(link: PipeLink, remoteAddress: string): void {
    try {
      this.#request.onLink(link);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#request.onNotice?.(`the receiver of a link from ${remoteAddress} failed: ${message}`);
      link.close(ErrorCode.INTERNAL_ERROR, "the receiver failed");
    }
  }

  #forget(pipe: WsPipe): void {
    this.#links.delete(pipe);
    if (this.#links.size === 0) this.#onEmpty();
  }

  /** Once: under a flood of connections a notice for each would be a flood too. */
  #warnOfLimit(): void {
    if (this.#hasWarnedOfLimit) return;
    this.#hasWarnedOfLimit = true;
    this.#request.onNotice?.(`connections are turned away: there are ${this.#rules.maxConnections} already (maxConnections)`);
  }
}

/** Answers and closes. The answer fits into any socket's buffer: nobody need be waited for. */
function refuse(socket: Socket, { status, text }: Refusal): void {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(text)}`,
    "",
    text,
  ];
  socket.end(lines.join("\r\n"));
  socket.destroySoon();
}

/** A socket for both families names IPv4 addresses in IPv6 form. */
function plainIp(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:(?=[\d.]+$)/, "");
}
