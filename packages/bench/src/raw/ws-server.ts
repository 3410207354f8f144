import { createServer } from "node:https";
import { type WebSocket, WebSocketServer } from "ws";
import type { Role } from "../process/role.ts";
import { Ask, RequestReader } from "../request.ts";
import { loopbackCertificate } from "./loopback-certificate.ts";
import { sendMessages } from "./send-messages.ts";

/** A server of `ws` over TLS without kwik that does what the first bytes on each connection ask, one request after the other; an echo is for good. */
export async function wsServer(): Promise<Role> {
  const server = createServer({ ...loopbackCertificate(), minVersion: "TLSv1.3" });
  new WebSocketServer({ server, perMessageDeflate: false }).on("connection", serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { ready: typeof address === "object" ? address?.port : undefined, commands: {} };
}

function serve(socket: WebSocket): void {
  let reader = new RequestReader();
  /** Bytes of an upload that are still to come. */
  let left = 0;
  let isEcho = false;
  socket.on("error", () => socket.terminate());
  socket.on("message", (data: Buffer) => {
    if (isEcho) {
      socket.send(data);
      return;
    }
    if (left > 0) {
      left -= data.length;
      if (left === 0) socket.send(Uint8Array.of(1));
      return;
    }
    const request = reader.push(data);
    if (request === undefined) return;
    reader = new RequestReader();
    const { ask, count, rest } = request;
    if (ask === Ask.download) sendMessages(socket, count);
    else if (ask === Ask.upload) left = count - rest.length;
    else if (ask === Ask.echo) isEcho = true;
  });
}
