import { expect, test } from "vitest";
import { OutgoingBytes } from "./outgoing-bytes.ts";

/** A stream that takes what it is handed when it is told to. */
class SlowStream {
  readonly handed: number[] = [];
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  write(data: Uint8Array): Promise<void> {
    this.handed.push(data.length);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async take(): Promise<void> {
    this.#waiting.shift()?.resolve();
    await new Promise(setImmediate);
  }

  async fail(): Promise<void> {
    this.#waiting.shift()?.reject(new Error("stopped"));
    await new Promise(setImmediate);
  }

  read = (): Promise<null> => Promise.resolve(null);
  close = (): Promise<void> => Promise.resolve();
  flushed = (): Promise<void> => Promise.resolve();
  reset = (): void => undefined;
  stopReading = (): void => undefined;
}

test("small writes are handed on in the turn in which they come", () => {
  const stream = new SlowStream();
  const outgoing = new OutgoingBytes(stream, { onTaken: () => undefined, onFailed: () => undefined });
  let done = 0;
  for (let i = 0; i < 100; i += 1) outgoing.write(Buffer.alloc(1000), () => (done += 1));
  expect([done, stream.handed.length, outgoing.total]).toEqual([100, 100, 100_000]);
});

test("a large write goes in pieces while the stream takes them, each of them movement, and no more than 128 KiB wait", async () => {
  const stream = new SlowStream();
  let taken = 0;
  const outgoing = new OutgoingBytes(stream, { onTaken: () => (taken += 1), onFailed: () => undefined });
  let isDone = false;
  outgoing.write(Buffer.alloc(300 * 1024), () => (isDone = true));
  expect([stream.handed, outgoing.handedOn, isDone]).toEqual([[65_536, 65_536], 131_072, false]);
  await stream.take();
  expect([stream.handed.length, taken]).toEqual([3, 1]);
  await stream.take();
  await stream.take();
  expect([stream.handed.at(-1), isDone]).toEqual([44 * 1024, true]);
  expect([outgoing.total, outgoing.handedOn]).toEqual([300 * 1024, 0]);
});

test("a stream that takes no more is told, once for each that waited, and the write is not done", async () => {
  const stream = new SlowStream();
  const failures: string[] = [];
  const outgoing = new OutgoingBytes(stream, { onTaken: () => undefined, onFailed: (cause) => failures.push((cause as Error).message) });
  let isDone = false;
  outgoing.write(Buffer.alloc(200 * 1024), () => (isDone = true));
  await stream.fail();
  expect([failures, isDone, stream.handed.length]).toEqual([["stopped"], false, 2]);
  await stream.take();
  expect([isDone, stream.handed.length]).toEqual([false, 2]);
});
