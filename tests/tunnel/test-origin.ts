import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, connect } from "node:net";

/** One thing that an origin has. */
export interface OriginFile {
  data: Buffer;
  etag?: string;
  /** More headers of whole responses, and others in place of those that are there. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ranges are said to be there, and the whole is sent. */
  readonly ignoresRanges?: boolean;
}

/** An HTTP origin of a test, with ranges and strong validators as those of nginx. Without dates: answers to equal requests are equal. */
export class TestOrigin implements AsyncDisposable {
  readonly files = new Map<string, OriginFile>();
  /** "GET /path", with the range behind it. */
  readonly requests: string[] = [];
  /** Held before each range is answered. */
  beforeRange: (path: string, from: number) => Promise<void> = () => Promise.resolve();
  /** Connections so far. */
  connections = 0;
  readonly #server: Server;

  private constructor(listen: (listener: RequestListener) => Server) {
    this.#server = listen((request, response) => void this.#answer(request, response));
    this.#server.on("connection", () => (this.connections += 1));
    this.#server.keepAliveTimeout = 60_000;
  }

  static async start(tls?: { readonly cert: string; readonly key: string }): Promise<TestOrigin> {
    const origin = new TestOrigin((listener) => (tls === undefined ? createServer(listener) : createSecureServer(tls, listener)));
    await new Promise<void>((resolve) => origin.#server.listen(0, "127.0.0.1", resolve));
    return origin;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends every connection, and takes no more. */
  kill(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await Promise.resolve();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "");
    this.requests.push(`${method} ${url}${range === null ? "" : ` ${range[0]}`}`);
    response.sendDate = false;
    const file = this.files.get(url);
    if (method === "POST") {
      let bytes = 0;
      for await (const chunk of request as AsyncIterable<Buffer>) bytes += chunk.length;
      response.end(`${bytes} bytes`);
    } else if (file === undefined) response.writeHead(404, { "Content-Length": 0 }).end();
    else if (headers["if-none-match"] !== undefined && headers["if-none-match"] === file.etag)
      response.writeHead(304, { ETag: file.etag }).end();
    else if (headers["if-match"] !== undefined && headers["if-match"] !== file.etag) response.writeHead(412, { "Content-Length": 0 }).end();
    else if (range === null || file.ignoresRanges === true) this.#answerWhole(response, file);
    else {
      await this.beforeRange(url, Number(range[1]));
      const from = Number(range[1]);
      const to = Math.min(range[2] === "" ? Infinity : Number(range[2]), file.data.length - 1);
      const part = file.data.subarray(from, to + 1);
      const tag = file.etag === undefined ? {} : { ETag: file.etag };
      response
        .writeHead(206, { ...tag, "Content-Range": `bytes ${from}-${to}/${file.data.length}`, "Content-Length": part.length })
        .end(part);
    }
  }

  #answerWhole(response: ServerResponse, { data, etag, headers }: OriginFile): void {
    const all = {
      "Accept-Ranges": "bytes",
      "Content-Type": "application/octet-stream",
      ...(etag === undefined ? {} : { ETag: etag }),
      ...(headers?.["Transfer-Encoding"] === undefined ? { "Content-Length": String(data.length) } : {}),
      ...headers,
    };
    response.writeHead(200, all).end(data);
  }
}

/** What comes back for these bytes: until the other side ends, or `enough` bytes are there. */
export function exchange(port: number, request: string, enough = Infinity): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    const chunks: Buffer[] = [];
    let bytes = 0;
    const done = (): void => {
      socket.destroy();
      resolve(Buffer.concat(chunks));
    };
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= enough) done();
    });
    socket.on("end", done).on("error", reject);
  });
}
