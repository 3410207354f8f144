import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import type { Role } from "../process/role.ts";
import { Ask, BLOCK_BYTES, encodeRequest } from "../request.ts";
import { percentiles } from "../sampling.ts";

interface Transfer {
  readonly bytes: number;
}

/** A TLS client without kwik; its commands are those of the kwik client, with one stream. */
export async function tlsClient(argument: { readonly port: number }): Promise<Role> {
  const open = async (): Promise<TLSSocket> => {
    const socket = connect({ port: argument.port, host: "127.0.0.1", rejectUnauthorized: false, minVersion: "TLSv1.3" });
    socket.setNoDelay(true);
    await once(socket, "secureConnect");
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
function received(socket: TLSSocket, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    let left = bytes;
    const onData = (data: Uint8Array): void => {
      left -= data.length;
      if (left > 0) return;
      socket.off("data", onData);
      resolve();
    };
    socket.on("data", onData);
  });
}

function download(socket: TLSSocket, bytes: number): Promise<void> {
  const all = received(socket, bytes);
  socket.write(encodeRequest(Ask.download, bytes));
  return all;
}

async function upload(socket: TLSSocket, bytes: number): Promise<void> {
  const answer = received(socket, 1);
  const block = new Uint8Array(BLOCK_BYTES).fill(7);
  socket.write(encodeRequest(Ask.upload, bytes));
  for (let left = bytes; left > 0; left -= block.length) {
    if (!socket.write(left < block.length ? block.subarray(0, left) : block)) await once(socket, "drain");
  }
  await answer;
}

async function echo(socket: TLSSocket, count: number, bytes: number): Promise<{ p50: number; p99: number }> {
  const message = new Uint8Array(bytes).fill(7);
  const times = new Float64Array(count);
  socket.write(encodeRequest(Ask.echo, 0));
  await new Promise<void>((resolve) => {
    let index = 0;
    let got = 0;
    let start = performance.now();
    socket.on("data", (data) => {
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
      socket.write(message);
    });
    socket.write(message);
  });
  socket.destroy();
  return percentiles(times);
}
