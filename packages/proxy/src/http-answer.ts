import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { endWith } from "./end-with.ts";

type Headers = Readonly<Record<string, string>>;

/** An answer of the proxy's own, with its reason as text; the connection ends. */
export function answer(response: ServerResponse, status: number, reason: string, headers: Headers = {}): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close", ...headers });
  response.end(`${reason}\n`);
}

/** The same to a CONNECT, which is no request any more. */
export function answerConnect(socket: Socket, status: number, reason: string, headers: Headers = {}): void {
  const body = `${reason}\n`;
  const all = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  endWith(socket, `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}\r\n${lines.join("")}\r\n${body}`);
}
