import { once } from "node:events";
import type { Socket } from "node:net";
import { BLOCK_BYTES } from "../request.ts";
import type { BarePipe } from "./pipe-client.ts";

/** A socket that is connected, with TLS or without, as what carries the commands. */
export function pipeOver(socket: Socket): BarePipe {
  let receiver: (data: Uint8Array) => void = () => undefined;
  socket.on("data", (data: Uint8Array) => receiver(data));
  return {
    send: (data) => void socket.write(data),
    sendBlocks: async (bytes) => {
      const block = new Uint8Array(BLOCK_BYTES).fill(7);
      for (let left = bytes; left > 0; left -= block.length) {
        if (!socket.write(left < block.length ? block.subarray(0, left) : block)) await once(socket, "drain");
      }
    },
    receive: (onData) => {
      receiver = onData;
    },
    close: () => socket.destroy(),
  };
}
