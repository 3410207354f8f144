import { createServer, type IncomingMessage, request as httpRequest, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { describeTarget, type TcpTarget } from "@kwik/tunnel";
import { failureName } from "./failure-name.ts";
import { endToEndHeaders } from "./hop-headers.ts";
import { httpStatusOf } from "./http-status.ts";
import { type Bind, bindServer } from "./local-listener.ts";
import { type ProxyLedger, secondsSince } from "./proxy-ledger.ts";
import type { ProxyLimits } from "./proxy-limits.ts";
import type { DialledTunnel, TunnelDialer } from "./tunnel-dialer.ts";
import { TunnelDuplex } from "./tunnel-duplex.ts";
import type { Users } from "./users.ts";

/** The head of a request, at most, in bytes; beyond it the answer is 431. */
export const MAX_HTTP_HEAD_BYTES = 16 * 1024;

const REALM = { "proxy-authenticate": 'Basic realm="kwik"' };

export interface HttpListenerOptions {
  readonly dialer: TunnelDialer;
  readonly ledger: ProxyLedger;
  readonly users: Users;
  readonly limits: ProxyLimits;
}

/** An HTTP proxy: CONNECT, and requests for http:// in absolute form, one connection to the target for each. */
export class HttpListener {
  readonly #options: HttpListenerOptions;
  readonly #server: Server;
  readonly #tunnelled = new Set<Socket>();

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
    this.#server.on("request", (request, response) => void this.#forward(request, response));
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
      endWith(socket, 407, "the proxy needs a user and a password", REALM);
      return;
    }
    const target = parseAuthority(request.url ?? "");
    if (target === undefined) {
      ledger.malformed("http", "CONNECT needs HOST:PORT");
      endWith(socket, 400, "CONNECT needs HOST:PORT");
      return;
    }
    let dialled: DialledTunnel;
    try {
      dialled = await dialer.connect(target, gone.signal);
    } catch (error) {
      ledger.refused("http", describeTarget(target), error);
      endWith(socket, httpStatusOf(failureName(error)), (error as Error).message);
      return;
    }
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    await ledger.join("http", target, socket, dialled);
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { dialer, ledger, users } = this.#options;
    if (!users.allowsHeader(request.headers["proxy-authorization"])) {
      ledger.unauthorized("http");
      answer(response, 407, "the proxy needs a user and a password", REALM);
      return;
    }
    const url = URL.canParse(request.url ?? "") ? new URL(request.url ?? "") : undefined;
    if (url?.protocol !== "http:" || url.hostname === "") {
      ledger.malformed("http", "a request without http://HOST/");
      answer(response, 400, "this is a proxy: ask it for http://HOST/PATH, or with CONNECT");
      return;
    }
    const target: TcpTarget = { kind: "tcp", host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 80) };
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      const dialled = await dialer.connect(target, gone.signal);
      await ledger.counted(() => this.#exchange(request, response, url, target, dialled));
    } catch (error) {
      ledger.refused("http", describeTarget(target), error);
      answer(response, httpStatusOf(failureName(error)), (error as Error).message);
    }
  }

  /** One request and its response over a tunnel. */
  #exchange(request: IncomingMessage, response: ServerResponse, url: URL, target: TcpTarget, dialled: DialledTunnel): Promise<void> {
    const start = performance.now();
    const duplex = new TunnelDuplex(dialled.tunnel);
    // Between the response and its own end nobody else listens.
    duplex.on("error", () => undefined);
    let sentBytes = 0;
    let receivedBytes = 0;
    const isChunked = request.headers["transfer-encoding"] !== undefined;
    const headers = endToEndHeaders(request.rawHeaders, ["host"]);
    headers.push("Host", url.host, "Via", "1.1 kwik", "Connection", "close");
    if (isChunked) headers.push("Transfer-Encoding", "chunked");
    return new Promise((resolve) => {
      const upstream = httpRequest({
        createConnection: () => duplex,
        method: request.method ?? "GET",
        path: url.pathname + url.search,
        headers,
        setDefaultHeaders: false,
        // An answer's head is bounded like a request's, but servers send more than clients.
        maxHeaderSize: 4 * MAX_HTTP_HEAD_BYTES,
      });
      const finish = (end: "closed" | "socket-broken" | "tunnel-broken"): void => {
        if (end === "closed") duplex.end(() => duplex.destroy());
        else duplex.destroy();
        dialled.done();
        this.#options.ledger.closed("http", target, { end, sentBytes, receivedBytes, seconds: secondsSince(start) });
        resolve();
      };
      let isOver = false;
      const over = (end: "closed" | "socket-broken" | "tunnel-broken"): void => {
        if (isOver) return;
        isOver = true;
        finish(end);
      };
      upstream.on("error", () => {
        if (!isOver) answer(response, 502, "the target broke the connection off");
        over("tunnel-broken");
      });
      upstream.on("response", (incoming) => {
        try {
          response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage ?? "", [
            ...endToEndHeaders(incoming.rawHeaders),
            "Via",
            "1.1 kwik",
          ]);
        } catch {
          answer(response, 502, "the target's answer has a head that cannot be passed on");
          return over("tunnel-broken");
        }
        incoming.on("data", (data: Buffer) => (receivedBytes += data.length));
        // Cut off is not the same as complete.
        incoming.on("aborted", () => response.destroy());
        incoming.on("error", () => response.destroy());
        incoming.pipe(response);
      });
      response.on("finish", () => over("closed"));
      response.on("close", () => over("socket-broken"));
      request.on("data", (data: Buffer) => (sentBytes += data.length));
      request.on("error", () => upstream.destroy());
      request.pipe(upstream);
    });
  }
}

/** HOST:PORT, IPv6 in brackets. */
function parseAuthority(text: string): TcpTarget | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9A-Za-z._-]{1,255})):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { kind: "tcp", host, port };
}

function answer(response: ServerResponse, status: number, reason: string, headers: Record<string, string> = {}): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close", ...headers });
  response.end(`${reason}\n`);
}

function endWith(socket: Socket, status: number, reason: string, headers: Record<string, string> = {}): void {
  const body = `${reason}\n`;
  const lines = Object.entries({
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} Proxy\r\n${lines.join("")}\r\n${body}`);
  // Nobody reads what else it sends.
  socket.resume();
}
