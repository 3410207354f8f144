import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { splice, type TunnelEnd } from "./splice.ts";

test("what breaks off while the end of the socket is on its way out is over all the same", async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.on("error", () => undefined).resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = await new Promise<Socket>((resolve) => {
    const made = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true }, () => resolve(made));
  });
  const done = (): Promise<void> => Promise.resolve();
  const nothing = (): void => undefined;
  const ended: TunnelEnd = {
    read: () => Promise.resolve(null),
    write: done,
    close: done,
    flushed: done,
    reset: nothing,
    stopReading: nothing,
    abort: nothing,
  };
  const outcome = splice(socket, ended, { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 });
  while (!socket.writableEnded) await Promise.resolve();
  // The system has not been told of the end yet, and refuses a reset until then.
  await new Promise((resolve) => process.nextTick(resolve));
  expect(socket.writableFinished).toBe(false);
  socket.emit("timeout");
  expect(await outcome).toMatchObject({ end: "idle" });
  expect(socket.destroyed).toBe(true);
  server.close();
});

/** A socket, and the one that it is connected with. */
async function pair(): Promise<{ near: Socket; far: Socket; stop: () => void }> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accepted.resolve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const far = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  const near = await accepted.promise;
  return { near, far, stop: () => server.close() };
}

/** Its period is no multiple of what is read or written at once. */
const pattern = (length: number, seed: number): Buffer =>
  Buffer.alloc(
    length,
    Uint8Array.from({ length: 65_537 }, (_, at) => (at * 31 + (at >> 8) + seed) & 0xff),
  );

async function allOf(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  // A loop over the socket itself would destroy it at the end of what it reads, with all that it has still to write.
  for await (const piece of socket.iterator({ destroyOnReturn: false })) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** A tunnel that brings `bytes`, and takes what it is given in its own way. */
function bringing(bytes: Buffer, write: (data: Uint8Array) => Promise<void>, copiesWrites: boolean): TunnelEnd {
  let at = 0;
  const nothing = (): void => undefined;
  const done = (): Promise<void> => Promise.resolve();
  return {
    copiesWrites,
    read: () => Promise.reject(new Error("it is not read so")),
    readReady: done,
    readNow: (target) => {
      const bytesTaken = bytes.copy(target, 0, at);
      at += bytesTaken;
      return bytesTaken;
    },
    write,
    close: done,
    flushed: done,
    reset: nothing,
    stopReading: nothing,
    abort: nothing,
  };
}

test("memory that all splices use is nobody else's while one needs it: slow sockets, and tunnels that keep what they are given", async () => {
  const count = 6;
  // More than the system holds.
  const length = 24_000_000;
  const pairs = await Promise.all(Array.from({ length: count }, () => pair()));
  const kept = pairs.map((): Uint8Array[] => []);
  const outcomes = pairs.map(({ near }, index) => {
    const [isKept, pieces] = [index % 2 === 0, kept[index] as Uint8Array[]];
    const write = (data: Uint8Array): Promise<void> => {
      pieces.push(isKept ? data : Uint8Array.from(data));
      return Promise.resolve();
    };
    return splice(near, bringing(pattern(length, index), write, !isKept), { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 });
  });
  for (const [index, { far }] of pairs.entries()) far.end(pattern(length, 128 + index));
  // Nobody reads until the system takes no more of any.
  while (pairs.some(({ near }) => near.writableLength === 0)) await new Promise((resolve) => setImmediate(resolve));
  const brought = await Promise.all(pairs.map(({ far }) => allOf(far)));
  for (const [index, bytes] of brought.entries()) expect(bytes.equals(pattern(length, index))).toBe(true);
  for (const outcome of await Promise.all(outcomes)) expect(outcome).toMatchObject({ end: "closed", bytesIn: length, bytesOut: length });
  for (const [index, pieces] of kept.entries()) expect(Buffer.concat(pieces).equals(pattern(length, 128 + index))).toBe(true);
  for (const { stop } of pairs) stop();
});
