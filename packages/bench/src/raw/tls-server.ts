import { createServer, type TLSSocket } from "node:tls";
import type { Role } from "../process/role.ts";
import { Ask, BLOCK_BYTES, RequestReader } from "../request.ts";
import { loopbackCertificate } from "./loopback-certificate.ts";

const BLOCK = new Uint8Array(BLOCK_BYTES).fill(7);

/** A TLS server without kwik that does what the first bytes on each connection ask, one request after the other; an echo is for good. */
export async function tlsServer(): Promise<Role> {
  const server = createServer({ ...loopbackCertificate(), minVersion: "TLSv1.3" }, (socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { ready: typeof address === "object" ? address?.port : undefined, commands: {} };
}

function serve(socket: TLSSocket): void {
  let reader = new RequestReader();
  /** Bytes of an upload that are still to come. */
  let left = 0;
  let isEcho = false;
  socket.on("data", (data: Buffer) => {
    if (isEcho) {
      socket.write(data);
      return;
    }
    if (left > 0) {
      left -= data.length;
      if (left === 0) socket.write(Uint8Array.of(1));
      return;
    }
    const request = reader.push(data);
    if (request === undefined) return;
    reader = new RequestReader();
    const { ask, count, rest } = request;
    if (ask === Ask.download) send(socket, count);
    else if (ask === Ask.upload) left = count - rest.length;
    else if (ask === Ask.echo) isEcho = true;
  });
}

function send(socket: TLSSocket, count: number): void {
  let left = count;
  const pump = (): void => {
    while (left > 0) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= block.length;
      if (!socket.write(block) && left > 0) {
        socket.once("drain", pump);
        return;
      }
    }
  };
  pump();
}
