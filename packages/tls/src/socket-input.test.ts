import { EventEmitter, once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { AcceptedInput } from "./accepted-input.ts";
import type { Arrival } from "@kwik/core";
import { ReadEvents } from "./read-events.ts";
import { ReadSlab } from "./read-slab.ts";
import type { InputSink, SocketInput } from "./socket-input.ts";

const KiB = 1024;

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Takes what comes as a pipe does, and holds no memory. */
class Sink implements InputSink {
  readonly #input: SocketInput;
  readonly sizes: number[] = [];
  readonly lent: boolean[] = [];
  readonly views: Uint8Array[] = [];
  readonly #bytes: Buffer[] = [];
  isOpen = false;

  constructor(input: SocketInput) {
    this.#input = input;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#bytes);
  }

  get length(): number {
    return this.#bytes.reduce((sum, { length }) => sum + length, 0);
  }

  arrived(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    setImmediate(() => {
      this.isOpen = false;
      this.#input.flush();
    });
  }

  take(data: Uint8Array, arrival: Arrival | undefined): void {
    this.sizes.push(data.length);
    this.views.push(data);
    this.lent.push(arrival !== undefined);
    this.#bytes.push(Buffer.from(data));
  }
}

/** A socket that connected with `slab`, and the one that was accepted. */
async function pair(slab: ReadSlab): Promise<{ client: Socket; server: Socket }> {
  const listening = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  servers.push(listening);
  await once(listening, "listening");
  const client = connect({ port: (listening.address() as AddressInfo).port, host: "127.0.0.1", onread: slab.onread });
  slab.attach(client);
  const [[server]] = (await Promise.all([once(listening, "connection"), once(client, "connect")])) as [[Socket], unknown];
  sockets.push(client, server);
  for (const socket of [client, server]) socket.on("error", () => undefined);
  return { client, server };
}

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 30_000;
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(condition()).toBe(true);
}

/** Pieces of many sizes, with a pattern that shows a byte at the wrong place. */
function pieces(): Buffer[] {
  const sizes = [1, 3, 100, 4 * KiB - 1, 4 * KiB, 4 * KiB + 1, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 300 * KiB, 7];
  let at = 0;
  return [...sizes, ...sizes.toReversed()].map((size) => Buffer.from(Uint8Array.from({ length: size }, () => (at++ * 31) >> 3)));
}

async function send(socket: Socket, parts: readonly Buffer[], isSlow: boolean): Promise<void> {
  for (const part of parts) {
    socket.write(part);
    if (isSlow) await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

test.each([
  ["at once", false],
  ["with pauses", true],
])("whatever comes, %s, arrives whole and in order at both ends, though its memory is given back meanwhile", async (_, isSlow) => {
  const slab = new ReadSlab();
  const { client, server } = await pair(slab);
  const accepted = new AcceptedInput(server);
  const parts = pieces();
  const whole = Buffer.concat(parts);
  const atClient = new Sink(slab);
  const atServer = new Sink(accepted);
  slab.start(atClient);
  accepted.start(atServer);
  await Promise.all([send(client, parts, isSlow), send(server, parts, isSlow)]);
  await until(() => atClient.length >= whole.length && atServer.length >= whole.length);
  expect(atClient.bytes.equals(whole)).toBe(true);
  expect(atServer.bytes.equals(whole)).toBe(true);
});

test("bulk comes in memory that is given back as soon as nobody holds it, on accepted sockets too", async () => {
  const slab = new ReadSlab();
  const { client, server } = await pair(slab);
  const accepted = new AcceptedInput(server);
  const sinks = [new Sink(slab), new Sink(accepted)];
  slab.start(sinks[0] as Sink);
  accepted.start(sinks[1] as Sink);
  const block = Buffer.alloc(8 * KiB * KiB, 5);
  client.write(block);
  server.write(block);
  await until(() => sinks.every((sink) => sink.length === block.length));
  for (const sink of sinks) {
    expect(sink.lent.every(Boolean)).toBe(true);
    expect(sink.sizes.length).toBeLessThan(block.length / (16 * KiB));
    // All but what the socket goes on filling.
    expect(sink.views.reduce((held, view) => held + view.length, 0)).toBeLessThan(64 * KiB);
  }
});

test("a sink that throws costs its connection, and nothing else", async () => {
  const slab = new ReadSlab();
  const { client, server } = await pair(slab);
  slab.start({
    arrived: () => undefined,
    take: () => {
      throw new Error("a fault above");
    },
  });
  const failed = once(client, "error") as Promise<[Error]>;
  server.write(Buffer.alloc(KiB * KiB));
  expect((await failed)[0].message).toBe("a fault above");
});

test("what comes before there is a sink waits, and is bounded", async () => {
  const slab = new ReadSlab();
  const { client, server } = await pair(slab);
  const block = Buffer.alloc(32 * KiB * KiB, 9);
  server.write(block);
  await until(() => client.bytesRead > 0);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(client.bytesRead).toBeLessThan(KiB * KiB);
  const sink = new Sink(slab);
  slab.start(sink);
  await until(() => sink.length === block.length);
  expect(sink.bytes.equals(block)).toBe(true);
});

test("bytes that an accepted socket has read already come first", async () => {
  const { client, server } = await pair(new ReadSlab());
  server.pause();
  server.read(0);
  client.write("before, ");
  await until(() => server.readableLength > 0);
  const accepted = new AcceptedInput(server);
  const sink = new Sink(accepted);
  accepted.start(sink);
  await until(() => sink.length > 0);
  client.write("after");
  await until(() => sink.bytes.toString() === "before, after");
});

test("a connection that brings little holds little, also after bulk", async () => {
  const slab = new ReadSlab();
  const { server } = await pair(slab);
  const sink = new Sink(slab);
  slab.start(sink);
  const held = (): number => slab.onread.buffer().buffer.byteLength;
  expect(held()).toBe(4 * KiB);
  server.write(Buffer.alloc(KiB * KiB));
  await until(() => sink.length === KiB * KiB);
  expect(held()).toBe(64 * KiB);
  for (let count = 1; count <= 3; count += 1) {
    server.write("x");
    await until(() => sink.length === KiB * KiB + count);
  }
  expect(held()).toBe(4 * KiB);
});

test("views that lie one behind the other in a buffer come as one, others by themselves", () => {
  const socket = new EventEmitter() as unknown as Socket;
  const input = new ReadEvents(socket);
  const sink = new Sink(input);
  input.start(sink);
  const buffer = new Uint8Array(64 * KiB).map((_, index) => index >> 7);
  const other = new Uint8Array(64 * KiB);
  socket.emit("data", buffer.subarray(0, 16 * KiB));
  socket.emit("data", buffer.subarray(16 * KiB, 20 * KiB));
  // Another socket's bytes lie between.
  socket.emit("data", buffer.subarray(21 * KiB, 22 * KiB));
  socket.emit("data", other.subarray(22 * KiB));
  expect(sink.sizes).toEqual([20 * KiB, KiB]);
  input.flush();
  input.flush();
  expect(sink.sizes).toEqual([20 * KiB, KiB, 42 * KiB]);
  expect(sink.lent).toEqual([false, false, false]);
  expect(sink.bytes.subarray(0, 20 * KiB).equals(buffer.subarray(0, 20 * KiB))).toBe(true);
});
