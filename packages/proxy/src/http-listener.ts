import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { describeTarget } from "@kwik/tunnel";
import { failureName } from "./failure-name.ts";
import { answer, answerConnect } from "./http-answer.ts";
import { hasForeignCoding, hasForwards, HttpExchange } from "./http-exchange.ts";
import { MAX_HTTP_HEAD_BYTES } from "./http-head-limit.ts";
import { httpStatusOf } from "./http-status.ts";
import { parseAbsoluteForm, parseAuthority } from "./http-target.ts";
import { type Bind, bindServer } from "./local-listener.ts";
import { type ProxyLedger, secondsSince } from "./proxy-ledger.ts";
import type { ProxyLimits } from "./proxy-limits.ts";
import type { DialledTunnel, TunnelDialer } from "./tunnel-dialer.ts";
import { TunnelDuplex } from "./tunnel-duplex.ts";
import type { Users } from "./users.ts";

/** Requests that one connection may have asked before they are answered, at most. */
const MAX_PIPELINED = 32;
const REALM = { "proxy-authenticate": 'Basic realm="kwik"' };

export interface HttpListenerOptions {
  readonly dialer: TunnelDialer;
  readonly ledger: ProxyLedger;
  readonly users: Users;
  readonly limits: ProxyLimits;
}

/** Requests of one connection, which are answered one after the other. */
interface Pipeline {
  waiting: number;
  last: Promise<void>;
}

/** An HTTP proxy: CONNECT, and requests for http:// in absolute form, one connection to the target for each. */
export class HttpListener {
  readonly #options: HttpListenerOptions;
  readonly #server: Server;
  readonly #tunnelled = new Set<Socket>();
  readonly #pipelines = new WeakMap<Socket, Pipeline>();

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    this.#server = createServer({
      maxHeaderSize: MAX_HTTP_HEAD_BYTES,
      headersTimeout: options.limits.handshakeTimeoutMs,
      // A body may take as long as it moves.
      requestTimeout: 0,
      connectionsCheckingInterval: 1_000,
      noDelay: true,
    });
    this.#server.maxConnections = options.limits.maxConnections;
    this.#server.on("connect", (request: IncomingMessage, socket: Socket, head: Buffer) => void this.#connect(request, socket, head));
    this.#server.on("request", (request, response) => this.#line(request, response, false));
    this.#server.on("checkContinue", (request, response) => this.#line(request, response, true));
  }

  /** Answers where it is really bound. Rejects with IO. */
  listen(bind: Bind): Promise<Bind> {
    return bindServer(this.#server, bind);
  }

  /** Takes no more connections. */
  stop(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  close(): void {
    this.stop();
    this.#server.closeAllConnections();
    for (const socket of this.#tunnelled) socket.destroy();
  }

  async #connect(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { dialer, ledger, users } = this.#options;
    const gone = new AbortController();
    this.#tunnelled.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#tunnelled.delete(socket);
      gone.abort();
    });
    if (head.length > 0) socket.unshift(head);
    if (!users.allowsHeader(request.headers["proxy-authorization"])) {
      ledger.unauthorized("http");
      answerConnect(socket, 407, "the proxy needs a user and a password", REALM);
      return;
    }
    const target = parseAuthority(request.url ?? "");
    if (target === undefined) {
      ledger.malformed("http", "CONNECT needs HOST:PORT");
      answerConnect(socket, 400, "CONNECT needs HOST:PORT");
      return;
    }
    let dialled: DialledTunnel;
    try {
      dialled = await dialer.connect(target, gone.signal);
    } catch (error) {
      ledger.refused("http", describeTarget(target), error);
      answerConnect(socket, httpStatusOf(failureName(error)), (error as Error).message);
      return;
    }
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    await ledger.join("http", target, socket, dialled);
  }

  /** Requests of one connection take turns, so that one that asks a thousand at once has one connection to a target at a time. */
  #line(request: IncomingMessage, response: ServerResponse, mustAsk: boolean): void {
    const { socket } = request;
    const pipeline = this.#pipelines.get(socket) ?? { waiting: 0, last: Promise.resolve() };
    this.#pipelines.set(socket, pipeline);
    pipeline.waiting += 1;
    if (pipeline.waiting > MAX_PIPELINED) {
      this.#options.ledger.malformed("http", `more than ${MAX_PIPELINED} requests at once on one connection`);
      socket.destroy();
      return;
    }
    pipeline.last = pipeline.last
      .then(async () => {
        if (!socket.destroyed) await this.#forward(request, response, mustAsk);
      })
      .catch(() => void socket.destroy())
      .finally(() => (pipeline.waiting -= 1));
  }

  async #forward(request: IncomingMessage, response: ServerResponse, mustAsk: boolean): Promise<void> {
    const { dialer, ledger, users } = this.#options;
    if (!users.allowsHeader(request.headers["proxy-authorization"])) {
      ledger.unauthorized("http");
      answer(response, 407, "the proxy needs a user and a password", REALM);
      return;
    }
    const found = parseAbsoluteForm(request.method ?? "", request.url ?? "");
    if (found === undefined) {
      ledger.malformed("http", "a request without http://HOST/");
      answer(response, 400, "this is a proxy: ask it for http://HOST/PATH, or with CONNECT");
      return;
    }
    if (hasForeignCoding(request)) {
      ledger.malformed("http", "a transfer coding other than chunked");
      answer(response, 501, "the only transfer coding of requests is chunked");
      return;
    }
    // RFC 9110, 7.6.2: this is where it was to end.
    if (hasForwards(request) && Number(request.headers["max-forwards"]) === 0) {
      answer(response, request.method === "OPTIONS" ? 200 : 405, "this is a proxy");
      return;
    }
    const { target } = found;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      const dialled = await dialer.connect(target, gone.signal);
      const start = performance.now();
      const exchange = new HttpExchange(request, response, new TunnelDuplex(dialled.tunnel), mustAsk);
      const outcome = await ledger.counted(() => exchange.run(found));
      dialled.done();
      ledger.closed("http", target, { ...outcome, seconds: secondsSince(start) });
    } catch (error) {
      ledger.refused("http", describeTarget(target), error);
      answer(response, httpStatusOf(failureName(error)), (error as Error).message);
    }
  }
}
