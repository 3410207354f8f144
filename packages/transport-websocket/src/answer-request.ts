import type { IncomingMessage, ServerResponse } from "node:http";
import { answerToRequest } from "./upgrade-rules.ts";

/** Answers a request that is none for a WebSocket. */
export function answerRequest(request: IncomingMessage, response: ServerResponse, path: string): void {
  const { status, text } = answerToRequest(request, path);
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    ...(status === 426 ? { Upgrade: "websocket", Connection: "Upgrade, close" } : { Connection: "close" }),
  });
  response.end(request.method === "HEAD" ? undefined : text);
}
