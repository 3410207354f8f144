import { connectRaw, type RawConnection, type RawStream } from "@kwik/transport-quic/raw";
import type { Role } from "../process/role.ts";
import { Ask, BLOCK_BYTES, encodeRequest } from "../request.ts";
import { percentiles } from "../sampling.ts";

interface Transfer {
  readonly streams: number;
  readonly bytes: number;
}

/** A client of the bare engine; its commands are those of the kwik client. */
export async function rawClient(argument: { readonly port: number }): Promise<Role> {
  const connection = await connectRaw(argument.port);
  return {
    ready: true,
    commands: {
      download: (transfer: Transfer) => timed(() => each(transfer, (bytes) => download(connection, bytes))),
      upload: (transfer: Transfer) => timed(() => each(transfer, (bytes) => upload(connection, bytes, BLOCK_BYTES))),
      echo: ({ count, bytes }: { count: number; bytes: number }) => echo(connection, count, bytes),
      exchange: ({ count, atOnce }: { count: number; atOnce: number }) => timed(() => exchange(connection, count, atOnce)),
      messages: ({ count, bytes }: { count: number; bytes: number }) => timed(() => upload(connection, count * bytes, bytes)),
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function each(transfer: Transfer, work: (bytes: number) => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from({ length: transfer.streams }, () => work(Math.round(transfer.bytes / transfer.streams))));
}

function download(connection: RawConnection, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    const stream = connection.openStream();
    let left = bytes;
    stream.onData = (data) => {
      left -= data.length;
      if (left === 0) resolve();
    };
    stream.write(encodeRequest(Ask.download, bytes), true);
  });
}

function upload(connection: RawConnection, bytes: number, blockBytes: number): Promise<void> {
  return new Promise((resolve) => {
    const stream = connection.openStream();
    const block = new Uint8Array(blockBytes).fill(7);
    let left = bytes;
    const pump = (): void => {
      while (left > 0 && stream.isDrained) {
        const part = left < block.length ? block.subarray(0, left) : block;
        left -= part.length;
        stream.write(part, left === 0);
      }
    };
    stream.onDrain = pump;
    stream.onData = () => resolve();
    stream.write(encodeRequest(Ask.upload, bytes));
    pump();
  });
}

function echo(connection: RawConnection, count: number, bytes: number): Promise<{ p50: number; p99: number }> {
  return new Promise((resolve) => {
    const stream = connection.openStream();
    const message = new Uint8Array(bytes).fill(7);
    const times = new Float64Array(count);
    let index = 0;
    let got = 0;
    let start = 0;
    const next = (): void => {
      got = 0;
      start = performance.now();
      stream.write(message);
    };
    stream.onData = (data) => {
      got += data.length;
      if (got < bytes) return;
      times[index] = performance.now() - start;
      index += 1;
      if (index < count) next();
      else resolve(percentiles(times));
    };
    stream.write(encodeRequest(Ask.echo, 0));
    next();
  });
}

function answered(stream: RawStream): Promise<void> {
  return new Promise((resolve) => {
    stream.onEnd = resolve;
    stream.write(encodeRequest(Ask.answer, 0), true);
  });
}

async function exchange(connection: RawConnection, count: number, atOnce: number): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await answered(connection.openStream());
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}
