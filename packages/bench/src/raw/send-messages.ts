import type WebSocket from "ws";
import { BLOCK_BYTES } from "../request.ts";

/** Bytes that wait in a socket at most before it is left to drain: what kwik keeps there. */
const HIGH_WATER_BYTES = 256 * 1024;
const BLOCK = new Uint8Array(BLOCK_BYTES).fill(7);

/** Sends so many bytes in messages of a block each, as fast as the socket takes them. */
export function sendMessages(socket: WebSocket, bytes: number): void {
  let left = bytes;
  const pump = (): void => {
    while (left > 0 && socket.bufferedAmount < HIGH_WATER_BYTES) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= block.length;
      socket.send(block, pump);
    }
  };
  pump();
}
