import { once } from "node:events";
import WebSocket from "ws";
import type { Role } from "../process/role.ts";
import { type BarePipe, pipeClient } from "./pipe-client.ts";
import { sendMessages } from "./send-messages.ts";

/** A client of `ws` over TLS without kwik; its commands are those of the kwik client, with one stream. */
export function wsClient(argument: { readonly port: number }): Promise<Role> {
  return pipeClient(async () => {
    const socket = new WebSocket(`wss://127.0.0.1:${argument.port}/`, {
      rejectUnauthorized: false, // audited: measurements on this machine only
      minVersion: "TLSv1.3",
      perMessageDeflate: false,
      // As kwik's clients over TLS: otherwise the masking is what is measured.
      generateMask: (key) => key.fill(0),
    });
    await once(socket, "open");
    return pipeOver(socket);
  });
}

function pipeOver(socket: WebSocket): BarePipe {
  let receiver: (data: Uint8Array) => void = () => undefined;
  socket.on("message", (data: Buffer) => receiver(data));
  return {
    send: (data) => socket.send(data),
    sendBlocks: (bytes) => sendMessages(socket, bytes),
    receive: (onData) => {
      receiver = onData;
    },
    close: () => socket.terminate(),
  };
}
