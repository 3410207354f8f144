import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Refusal } from "./upgrade-rules.ts";

/** Answers and closes. The answer fits into any socket's buffer: nobody need be waited for. */
export function refuse(socket: Socket, { status, text }: Refusal): void {
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
