import type { Socket } from "node:net";
import { Ask, BLOCK_BYTES, RequestReader } from "../request.ts";

const BLOCK = new Uint8Array(BLOCK_BYTES).fill(7);

/** Does what the first bytes of a connection ask, one request after the other; an echo is for good. */
export function serveSocket(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
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
    else if (ask === Ask.echo) {
      isEcho = true;
      if (rest.length > 0) socket.write(rest);
    }
  });
}

function send(socket: Socket, count: number): void {
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
