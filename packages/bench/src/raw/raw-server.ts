import { listenRaw, type RawStream } from "@kwik/transport-quic/raw";
import type { Role } from "../process/role.ts";
import { Ask, BLOCK_BYTES, RequestReader } from "../request.ts";
import { loopbackCertificate } from "./loopback-certificate.ts";

const BLOCK = new Uint8Array(BLOCK_BYTES).fill(7);

/** A server of the bare engine that does what the first bytes on each stream ask. */
export async function rawServer(): Promise<Role> {
  const port = listenRaw(loopbackCertificate(), (connection) => {
    connection.onStream = serveStream;
  });
  return { ready: port, commands: {} };
}

function serveStream(stream: RawStream): void {
  const reader = new RequestReader();
  stream.onData = (data) => {
    const request = reader.push(data);
    if (request === undefined) return;
    const { ask, count, rest } = request;
    if (ask === Ask.download) send(stream, count);
    else if (ask === Ask.upload) take(stream, count, rest);
    else if (ask === Ask.echo) echo(stream, rest);
    else if (ask === Ask.answer) {
      stream.onData = () => undefined;
      stream.write(Uint8Array.of(1), true);
    }
  };
}

function send(stream: RawStream, count: number): void {
  let left = count;
  const pump = (): void => {
    while (left > 0 && stream.isDrained) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= block.length;
      stream.write(block, left === 0);
    }
  };
  stream.onData = () => undefined;
  stream.onDrain = pump;
  pump();
}

function take(stream: RawStream, count: number, first: Uint8Array): void {
  let left = count;
  stream.onData = (data) => {
    left -= data.length;
    if (left === 0) stream.write(Uint8Array.of(1), true);
  };
  if (first.length > 0) stream.onData(first);
}

function echo(stream: RawStream, first: Uint8Array): void {
  stream.onData = (data) => stream.write(data);
  if (first.length > 0) stream.write(first);
}
