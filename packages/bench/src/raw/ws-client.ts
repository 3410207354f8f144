import { once } from "node:events";
import WebSocket from "ws";
import type { Role } from "../process/role.ts";
import { Ask, encodeRequest } from "../request.ts";
import { percentiles } from "../sampling.ts";
import { sendMessages } from "./send-messages.ts";

interface Transfer {
  readonly bytes: number;
}

/** A client of `ws` over TLS without kwik; its commands are those of the kwik client, with one stream. */
export async function wsClient(argument: { readonly port: number }): Promise<Role> {
  const open = async (): Promise<WebSocket> => {
    const socket = new WebSocket(`wss://127.0.0.1:${argument.port}/`, {
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      perMessageDeflate: false,
    });
    await once(socket, "open");
    return socket;
  };
  const socket = await open();
  return {
    ready: true,
    commands: {
      download: ({ bytes }: Transfer) => timed(() => download(socket, bytes)),
      upload: ({ bytes }: Transfer) => timed(() => upload(socket, bytes)),
      echo: async ({ count, bytes }: { count: number; bytes: number }) => echo(await open(), count, bytes),
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Resolves when so many bytes have come. */
function received(socket: WebSocket, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    let left = bytes;
    const onData = (data: Buffer): void => {
      left -= data.length;
      if (left > 0) return;
      socket.off("message", onData);
      resolve();
    };
    socket.on("message", onData);
  });
}

function download(socket: WebSocket, bytes: number): Promise<void> {
  const all = received(socket, bytes);
  socket.send(encodeRequest(Ask.download, bytes));
  return all;
}

async function upload(socket: WebSocket, bytes: number): Promise<void> {
  const answer = received(socket, 1);
  socket.send(encodeRequest(Ask.upload, bytes));
  sendMessages(socket, bytes);
  await answer;
}

async function echo(socket: WebSocket, count: number, bytes: number): Promise<{ p50: number; p99: number }> {
  const message = new Uint8Array(bytes).fill(7);
  const times = new Float64Array(count);
  socket.send(encodeRequest(Ask.echo, 0));
  await new Promise<void>((resolve) => {
    let index = 0;
    let got = 0;
    let start = performance.now();
    socket.on("message", (data: Buffer) => {
      got += data.length;
      if (got < bytes) return;
      times[index] = performance.now() - start;
      index += 1;
      got = 0;
      if (index === count) {
        resolve();
        return;
      }
      start = performance.now();
      socket.send(message);
    });
    socket.send(message);
  });
  socket.terminate();
  return percentiles(times);
}
