import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import type { Role } from "../process/role.ts";
import { BLOCK_BYTES } from "../request.ts";
import { type BarePipe, pipeClient } from "./pipe-client.ts";

/** A TLS client without kwik; its commands are those of the kwik client, with one stream. */
export function tlsClient(argument: { readonly port: number }): Promise<Role> {
  return pipeClient(async () => {
    // audited: measurements on this machine only
    const socket = connect({ port: argument.port, host: "127.0.0.1", rejectUnauthorized: false, minVersion: "TLSv1.3" });
    socket.setNoDelay(true);
    await once(socket, "secureConnect");
    return pipeOver(socket);
  });
}

function pipeOver(socket: TLSSocket): BarePipe {
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
