import { type ClientRequest, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import type { SpliceEnd } from "@kwik/splice";
import { endToEndHeaders } from "./hop-headers.ts";
import { answer } from "./http-answer.ts";
import { MAX_HTTP_HEAD_BYTES } from "./http-head-limit.ts";
import type { HttpTarget } from "./http-target.ts";
import type { TunnelDuplex } from "./tunnel-duplex.ts";

/** How one request went. */
export interface ExchangeOutcome {
  readonly end: Exclude<SpliceEnd, "idle">;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/**
 * Passes one request on over a connection of its own, and its response back. `mustAsk`: the client waits for "100 Continue" before it sends its body; whether
 * it gets that is the target's to say (RFC 9110, 10.1.1).
 */
export class HttpExchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #duplex: TunnelDuplex;
  readonly #mustAsk: boolean;
  readonly #over = Promise.withResolvers<ExchangeOutcome>();
  #upstream: ClientRequest | undefined;
  #isOver = false;
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(request: IncomingMessage, response: ServerResponse, duplex: TunnelDuplex, mustAsk: boolean) {
    this.#request = request;
    this.#response = response;
    this.#duplex = duplex;
    this.#mustAsk = mustAsk;
    // Between the response and its own end nobody else listens.
    duplex.on("error", () => undefined);
  }

  run({ host, path }: HttpTarget): Promise<ExchangeOutcome> {
    const request = this.#request;
    const upstream = httpRequest({
      createConnection: () => this.#duplex,
      method: request.method ?? "GET",
      path,
      headers: requestHeaders(request, host),
      setDefaultHeaders: false,
      // An answer's head is bounded like a request's, but servers send more than clients.
      maxHeaderSize: 4 * MAX_HTTP_HEAD_BYTES,
    });
    this.#upstream = upstream;
    upstream.on("error", () => {
      if (!this.#isOver) answer(this.#response, 502, "the target broke the connection off");
      this.#finish("tunnel-broken");
    });
    upstream.on("continue", () => {
      if (this.#mustAsk) this.#response.writeContinue();
    });
    upstream.on("response", (incoming) => this.#respond(incoming));
    this.#response.on("finish", () => this.#finish("closed"));
    this.#response.on("close", () => this.#finish("socket-broken"));
    request.on("data", (data: Buffer) => (this.#sentBytes += data.length));
    request.on("error", () => upstream.destroy());
    request.pipe(upstream);
    return this.#over.promise;
  }

  #respond(incoming: IncomingMessage): void {
    const response = this.#response;
    const coding = incoming.headers["transfer-encoding"];
    if (coding !== undefined && coding.toLowerCase() !== "chunked")
      return this.#refuse(incoming, `the target's answer has the transfer coding "${coding}", which cannot be passed on`);
    const headers = [...endToEndHeaders(incoming.rawHeaders), "Via", "1.1 kwik"];
    // Nobody knows whether a body that was not asked for still comes.
    if (this.#mustAsk && !this.#request.complete) headers.push("Connection", "close");
    try {
      response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage ?? "", headers);
    } catch {
      return this.#refuse(incoming, "the target's answer has a head that cannot be passed on");
    }
    incoming.on("data", (data: Buffer) => (this.#receivedBytes += data.length));
    // Cut off is not the same as complete.
    incoming.on("aborted", () => response.destroy());
    incoming.on("error", () => response.destroy());
    incoming.pipe(response);
  }

  #refuse(incoming: IncomingMessage, reason: string): void {
    incoming.resume().on("error", () => undefined);
    answer(this.#response, 502, reason);
    this.#finish("tunnel-broken");
  }

  #finish(end: ExchangeOutcome["end"]): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.#request.complete) {
      // Answered before it was whole: what still comes of it is passed over, so that the client reads its answer.
      this.#request.unpipe();
      this.#request.resume();
    }
    if (end === "closed" && this.#upstream?.writableFinished === true) this.#duplex.end(() => this.#duplex.destroy());
    else this.#duplex.destroy();
    this.#over.resolve({ end, sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes });
  }
}

/** Whether a request's body is cut in a way that a proxy would have to undo. */
export function hasForeignCoding({ headers }: IncomingMessage): boolean {
  const coding = headers["transfer-encoding"];
  return coding !== undefined && coding.toLowerCase() !== "chunked";
}

/** What the target gets: how the body is cut is this hop's own, whatever `Connection` names. */
function requestHeaders(request: IncomingMessage, host: string): string[] {
  const headers = endToEndHeaders(request.rawHeaders, ["host", "content-length", "max-forwards"]);
  headers.push("Host", host, "Via", "1.1 kwik", "Connection", "close");
  const { "transfer-encoding": coding, "content-length": length, "max-forwards": forwards } = request.headers;
  if (coding !== undefined) headers.push("Transfer-Encoding", "chunked");
  else if (length !== undefined) headers.push("Content-Length", length);
  if (typeof forwards === "string") headers.push("Max-Forwards", hasForwards(request) ? String(Number(forwards) - 1) : forwards);
  return headers;
}

/** Whether a request counts its hops: RFC 9110, 7.6.2. */
export function hasForwards({ method, headers }: IncomingMessage): boolean {
  const forwards = headers["max-forwards"];
  return (method === "OPTIONS" || method === "TRACE") && typeof forwards === "string" && /^\d{1,9}$/.test(forwards);
}
