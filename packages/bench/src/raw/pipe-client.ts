import type { Role } from "../process/role.ts";
import { Ask, encodeRequest } from "../request.ts";
import { percentiles } from "../sampling.ts";

/** A bare connection that carries one exchange of bytes at a time. */
export interface BarePipe {
  send(data: Uint8Array): void;
  /** Sends so many bytes in blocks, with backpressure. */
  sendBlocks(bytes: number): Promise<void> | void;
  /** Who gets what comes; replaces whoever got it before. */
  receive(onData: (data: Uint8Array) => void): void;
  close(): void;
}

interface Transfer {
  readonly bytes: number;
}

/** The commands of the kwik client over connections without kwik, with one stream. Echoes have a connection of their own. */
export async function pipeClient(open: () => Promise<BarePipe>): Promise<Role> {
  const pipe = await open();
  return {
    ready: true,
    commands: {
      download: ({ bytes }: Transfer) => timed(() => download(pipe, bytes)),
      upload: ({ bytes }: Transfer) => timed(() => upload(pipe, bytes)),
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
function received(pipe: BarePipe, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    let left = bytes;
    pipe.receive((data) => {
      left -= data.length;
      if (left <= 0) resolve();
    });
  });
}

function download(pipe: BarePipe, bytes: number): Promise<void> {
  const all = received(pipe, bytes);
  pipe.send(encodeRequest(Ask.download, bytes));
  return all;
}

async function upload(pipe: BarePipe, bytes: number): Promise<void> {
  const answer = received(pipe, 1);
  pipe.send(encodeRequest(Ask.upload, bytes));
  await pipe.sendBlocks(bytes);
  await answer;
}

function echo(pipe: BarePipe, count: number, bytes: number): Promise<{ p50: number; p99: number }> {
  const message = new Uint8Array(bytes).fill(7);
  const times = new Float64Array(count);
  pipe.send(encodeRequest(Ask.echo, 0));
  return new Promise((resolve) => {
    let index = 0;
    let got = 0;
    let start = performance.now();
    pipe.receive((data) => {
      got += data.length;
      if (got < bytes) return;
      times[index] = performance.now() - start;
      index += 1;
      got = 0;
      if (index === count) {
        pipe.close();
        resolve(percentiles(times));
        return;
      }
      start = performance.now();
      pipe.send(message);
    });
    pipe.send(message);
  });
}
