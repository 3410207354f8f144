import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { Duplex } from "node:stream";
import { PIPE_LOW_WATER_BYTES } from "@kwik/core";
import { afterEach, expect, test } from "vitest";
import { TcpPipe } from "./tcp-pipe.ts";

const PROPERTIES = { transport: "tcp", remoteAddress: "", localAddress: undefined, provenIdentity: undefined, clientIdentity: undefined };

const open: { destroy(): unknown }[] = [];
const servers: Server[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** What a pipe was told. */
class Told {
  received = 0;
  drains = 0;
  readonly ends: string[] = [];
  isInsideCall = false;
  insideCalls = 0;
  onData(data: Uint8Array): void {
    this.#note();
    this.received += data.length;
  }
  onDrain(): void {
    this.#note();
    this.drains += 1;
  }
  onEnd(reason: string): void {
    this.#note();
    this.ends.push(reason);
  }
  #note(): void {
    if (this.isInsideCall) this.insideCalls += 1;
  }
}

/** A pipe, and the bare socket at its other end, which does not read until it is told to. */
async function pair(): Promise<{ pipe: TcpPipe; socket: Socket; told: Told; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [[peer]] = (await Promise.all([once(server, "connection"), once(socket, "connect")])) as [[Socket], unknown];
  peer.on("error", () => undefined);
  open.push(socket, peer);
  const pipe = new TcpPipe(socket, PROPERTIES, false);
  const told = new Told();
  pipe.receiver = told;
  return { pipe, socket, told, peer };
}

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 30_000;
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(condition()).toBe(true);
}

/** Writes until the system takes no more. */
function choke(pipe: TcpPipe): number {
  const block = new Uint8Array(1024 * 1024);
  let written = 0;
  while (pipe.bufferedBytes < 8 * block.length) {
    pipe.write([block]);
    written += block.length;
  }
  return written;
}

test("bytes that the system does not take are counted, and onDrain comes once when few are left", async () => {
  const { pipe, told, peer } = await pair();
  const written = choke(pipe);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(pipe.bufferedBytes).toBeGreaterThanOrEqual(PIPE_LOW_WATER_BYTES);
  expect(pipe.stats().bytesOut + pipe.bufferedBytes).toBe(written);
  expect(told.drains).toBe(0);
  peer.resume();
  await until(() => told.drains > 0);
  expect(pipe.bufferedBytes).toBeLessThan(PIPE_LOW_WATER_BYTES);
  await until(() => pipe.bufferedBytes === 0 && peer.bytesRead === written);
  expect(told.drains).toBe(1);
  expect(pipe.stats().bytesOut).toBe(written);
});

/** A system that takes each write only when it is told to. */
class SlowSocket extends Duplex {
  #take: (() => void) | undefined;
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, callback: () => void): void {
    this.#take = callback;
  }
  release(): void {
    this.#take?.();
  }
}

test("onDrain comes below the low-water mark, not only when nothing is left", async () => {
  const socket = new SlowSocket();
  const pipe = new TcpPipe(socket as unknown as Socket, PROPERTIES, false);
  const told = new Told();
  pipe.receiver = told;
  pipe.write([new Uint8Array(1_000)]);
  pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES)]);
  pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES - 1)]);
  socket.release();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect([pipe.bufferedBytes, told.drains]).toEqual([2 * PIPE_LOW_WATER_BYTES - 1, 0]);
  socket.release();
  await until(() => told.drains === 1);
  expect(pipe.bufferedBytes).toBe(PIPE_LOW_WATER_BYTES - 1);
});

test("less than the low-water mark drains silently; at the mark onDrain comes also if the system took all at once", async () => {
  const { pipe, told, peer } = await pair();
  peer.resume();
  pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES - 1)]);
  await until(() => peer.bytesRead === PIPE_LOW_WATER_BYTES - 1);
  expect(told.drains).toBe(0);
  told.isInsideCall = true;
  pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES / 2), new Uint8Array(PIPE_LOW_WATER_BYTES / 2)]);
  told.isInsideCall = false;
  await until(() => told.drains === 1);
  expect(told.insideCalls).toBe(0);
});

test("the parts of one write leave in one call to the system", async () => {
  const { pipe, socket, peer } = await pair();
  const calls: number[] = [];
  const writev = socket._writev?.bind(socket);
  socket._writev = (chunks, callback) => {
    calls.push(chunks.length);
    writev?.(chunks, callback);
  };
  const write = socket._write.bind(socket);
  socket._write = (chunk, encoding, callback) => {
    calls.push(1);
    write(chunk, encoding, callback);
  };
  pipe.write([Buffer.from("a"), new Uint8Array(0), Buffer.from("b"), Buffer.from("c")]);
  pipe.write([]);
  const [data] = (await once(peer.resume(), "data")) as [Buffer];
  expect(data.toString()).toBe("abc");
  expect(calls).toEqual([3]);
});

test("end sends what is queued first, is idempotent, and onEnd does not follow", async () => {
  const { pipe, socket, told, peer } = await pair();
  const written = choke(pipe);
  pipe.end();
  pipe.end();
  expect(pipe.bufferedBytes).toBe(0);
  pipe.write([new Uint8Array(10)]);
  peer.resume();
  await once(peer, "end");
  expect(peer.bytesRead).toBe(written);
  peer.end();
  await once(socket, "close");
  expect(told).toMatchObject({ ends: [], drains: 0 });
});

test("end does not wait for ever: neither for a peer that does not read, nor for one that does not end", async () => {
  const deaf = await pair();
  choke(deaf.pipe);
  deaf.pipe.end();
  const lingering = await pair();
  lingering.peer.resume();
  lingering.pipe.end();
  await Promise.all([once(deaf.socket, "close"), once(lingering.socket, "close")]);
  expect([deaf.told.ends, lingering.told.ends]).toEqual([[], []]);
});

test("what arrives after end is not delivered, and does not cost the peer what was sent last", async () => {
  const { pipe, told, peer } = await pair();
  pipe.write([Buffer.from("last")]);
  pipe.end();
  for (let i = 0; i < 50; i += 1) peer.write(new Uint8Array(10_000));
  let received = "";
  peer.on("data", (data: Buffer) => (received += data.toString())).resume();
  await once(peer, "end");
  expect(received).toBe("last");
  expect(told.received).toBe(0);
});

test("an end in order has no reason, a reset has one, and either comes once, after the data", async () => {
  const orderly = await pair();
  orderly.peer.end(Buffer.from("bye"));
  await until(() => orderly.told.ends.length > 0);
  expect(orderly.told).toMatchObject({ received: 3, ends: [""] });
  await until(() => orderly.socket.closed);
  expect(orderly.told.ends).toHaveLength(1);
  orderly.pipe.write([new Uint8Array(1)]);
  orderly.pipe.end();

  const reset = await pair();
  reset.peer.resetAndDestroy();
  await until(() => reset.told.ends.length > 0);
  expect(reset.told.ends).toEqual(["the connection was reset"]);
});

test("nothing is delivered before there is a receiver, the end included", async () => {
  const { socket, peer } = await pair();
  const pipe = new TcpPipe(socket, PROPERTIES, false);
  socket.removeAllListeners("data");
  peer.resetAndDestroy();
  await until(() => socket.closed);
  const told = new Told();
  told.isInsideCall = true;
  pipe.receiver = told;
  told.isInsideCall = false;
  await until(() => told.ends.length > 0);
  expect(told).toMatchObject({ ends: ["the connection was reset"], insideCalls: 0 });
});

test("onFirstBytes comes once, before the bytes", async () => {
  const { pipe, told, peer } = await pair();
  const receivedBefore: number[] = [];
  pipe.onFirstBytes = () => receivedBefore.push(told.received);
  peer.write("a");
  await until(() => told.received === 1);
  peer.write("b");
  await until(() => told.received === 2);
  expect(receivedBefore).toEqual([0]);
});
