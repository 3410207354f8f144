import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Role } from "../process/role.ts";
import { Ask, encodeRequest } from "../request.ts";
import { pipeClient } from "./pipe-client.ts";
import { pipeOver } from "./socket-pipe.ts";

/** A client of TCP, whose server may be behind a forwarder or a proxy; the commands of bare clients, and `hold`. */
export async function plainClient({ port }: { readonly port: number }): Promise<Role> {
  const open = async (): Promise<Socket> => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return socket;
  };
  const bare = await pipeClient(async () => pipeOver(await open()));
  return {
    ...bare,
    commands: {
      ...bare.commands,
      /** Opens so many connections, each of which gets its bytes back, and keeps them. */
      hold: async ({ count, bytes }: { count: number; bytes: number }) => {
        await Promise.all(Array.from({ length: count }, async () => echoOnce(await open(), bytes)));
      },
    },
  };
}

async function echoOnce(socket: Socket, bytes: number): Promise<void> {
  socket.write(encodeRequest(Ask.echo, 0));
  let left = bytes;
  const all = new Promise<void>((resolve, reject) => {
    socket.on("data", (data: Buffer) => {
      left -= data.length;
      if (left === 0) resolve();
    });
    socket.once("close", () => reject(new Error(`a connection broke off ${left} bytes before its end`)));
  });
  socket.write(new Uint8Array(bytes).fill(7));
  await all;
}
