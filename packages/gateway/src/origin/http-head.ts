import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import { SocketLike } from "@kwik/splice";

/** The head of a message as Node's parser reads it. */
export interface HttpHead {
  readonly httpVersion: string;
  /** Of requests. */
  readonly method: string;
  readonly path: string;
  /** Of responses. */
  readonly status: number;
  /** By lower-case name: each value that was sent. */
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
}

/** Reads a request's head, up to and with its empty line. Undefined for what Node's parser does not take. */
export function parseRequestHead(bytes: Uint8Array, maxBytes: number): Promise<HttpHead | undefined> {
  return new Promise((resolve) => {
    const socket = new HeadSocket();
    const server = createServer({ maxHeaderSize: maxBytes, insecureHTTPParser: false });
    const done = (message: IncomingMessage | undefined): void => {
      resolve(message === undefined ? undefined : headOf(message));
      socket.destroy();
    };
    server.on("request", done).on("checkContinue", done).on("checkExpectation", done).on("upgrade", done).on("connect", done);
    server.on("clientError", () => done(undefined));
    socket.on("error", () => done(undefined));
    server.emit("connection", socket);
    socket.push(bytes);
    // Whatever did not come of it by then is no request.
    socket.push(null);
    socket.on("close", () => done(undefined));
  });
}

/** Reads a response's head, up to and with its empty line. Undefined for what Node's parser does not take, and for 1xx. */
export function parseResponseHead(bytes: Uint8Array, maxBytes: number): Promise<HttpHead | undefined> {
  return new Promise((resolve) => {
    const socket = new HeadSocket();
    const request = httpRequest({ createConnection: () => socket, maxHeaderSize: maxBytes, insecureHTTPParser: false });
    const done = (message: IncomingMessage | undefined): void => {
      // A body that does not come is no error of anybody's.
      message?.on("error", () => undefined);
      resolve(message === undefined ? undefined : headOf(message));
      socket.destroy();
    };
    request.on("response", done).on("upgrade", done);
    for (const event of ["information", "continue", "error", "close"]) request.on(event, () => done(undefined));
    request.end();
    socket.push(bytes);
    socket.push(null);
  });
}

function headOf(message: IncomingMessage): HttpHead {
  const { httpVersion, method = "", url = "", statusCode = 0, headersDistinct } = message;
  return { httpVersion, method, path: url, status: statusCode, headers: headersDistinct };
}

/** What Node's parser reads a head from: nobody is at the other end. */
class HeadSocket extends SocketLike {
  override _read(): void {
    // Everything was pushed.
  }

  override _write(_chunk: Uint8Array, _encoding: BufferEncoding, callback: () => void): void {
    callback();
  }
}
