import { isKwikError, StreamError, StreamLimitError } from "@kwik/core";
import { expect, test } from "vitest";
import { bytes, TestCluster, textOf } from "./pair.ts";

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return isKwikError(error) ? error.code : `not ours: ${String(error)}`;
  }
  return "no error";
}

// spec: STREAM-4
test("either half of a stream ends on its own, and close resolves when the other side has the bytes", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(bytes("question"));
  const closing = stream.close();
  const accepted = await server.acceptStream();
  expect(await textOf(accepted)).toBe("question");
  await closing;
  await accepted.write(bytes("answer"));
  await accepted.close();
  expect(await textOf(stream)).toBe("answer");
  expect(stream.id).toBe(accepted.id);
});

test("readNow takes what is here and waits for nothing; readReady waits and takes nothing", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(bytes("first"));
  const accepted = await server.acceptStream();
  const target = new Uint8Array(3);
  await accepted.readReady();
  expect([accepted.readNow(target), Buffer.from(target).toString()]).toEqual([3, "fir"]);
  await accepted.readReady();
  expect([accepted.readNow(target), Buffer.from(target.subarray(0, 2)).toString()]).toEqual([2, "st"]);
  expect(accepted.readNow(target)).toBeUndefined();
  const ready = accepted.readReady();
  expect(await codeOf(accepted.read())).toBe("INVALID_ARGUMENT");
  expect(() => accepted.readNow(target)).toThrow("waiting already");
  await stream.write(bytes("on"));
  await ready;
  expect(Buffer.from((await accepted.read()) ?? []).toString()).toBe("on");
  void stream.close();
  await accepted.readReady();
  expect(accepted.readNow(target)).toBe(0);
  expect(await accepted.read()).toBeNull();
});

test("readReady rejects when the stream is reset, and readNow throws", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(bytes("x"));
  const accepted = await server.acceptStream();
  await accepted.read();
  const ready = codeOf(accepted.readReady());
  stream.reset(7);
  expect(await ready).toBe("APPLICATION");
  expect(await codeOf(accepted.readReady())).toBe("APPLICATION");
  expect(() => accepted.readNow(new Uint8Array(1))).toThrow(StreamError);
  expect(() => accepted.readNow(new Uint8Array(0))).toThrow("at least one byte");
});

test("readInto copies what is here, mixes with read, and answers 0 at the end", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const sent = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7 + (index >> 9)) & 0xff);
  const stream = client.openStream();
  void (async () => {
    for (let at = 0; at < sent.length; at += 70_001) await stream.write(sent.subarray(at, at + 70_001));
    await stream.close();
  })();
  const accepted = await server.acceptStream();
  const kept: Uint8Array[] = [];
  const got: Uint8Array[] = [];
  const target = new Uint8Array(100_000);
  for (let turn = 0; ; turn += 1) {
    if (turn % 4 === 3) {
      const piece = await accepted.read();
      if (piece === null) break;
      kept.push(piece);
      got.push(piece.slice());
      continue;
    }
    const part = target.subarray(0, 1 + ((turn * 7919) % target.length));
    const bytes = await accepted.readInto(part);
    if (bytes === 0) break;
    got.push(part.slice(0, bytes));
  }
  expect(Buffer.concat(got).equals(Buffer.from(sent))).toBe(true);
  // What read gave stays as it was.
  let isWhole = kept.length > 0;
  for (const piece of kept) isWhole &&= piece.length > 0;
  expect(isWhole).toBe(true);
  expect([await accepted.readInto(target), await accepted.read()]).toEqual([0, null]);
});

test("readInto rejects when its target is of no use, or lost its memory while it waited, and the stream goes on", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(bytes("x"));
  const accepted = await server.acceptStream();
  expect(await codeOf(accepted.readInto(new ArrayBuffer(8) as never))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(accepted.readInto(new Uint16Array(8) as never))).toBe("INVALID_ARGUMENT");
  expect(await accepted.readInto(Buffer.alloc(4))).toBe(1);
  const target = new Uint8Array(8);
  const waiting = codeOf(accepted.readInto(target));
  target.buffer.transfer(0);
  await stream.write(bytes("more"));
  expect(await waiting).toBe("INVALID_ARGUMENT");
  expect(new TextDecoder().decode((await accepted.read()) ?? undefined)).toBe("more");
});

test("readInto refuses an empty target and a second reader, and rejects as read does", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(bytes("x"));
  const accepted = await server.acceptStream();
  const target = new Uint8Array(10);
  expect(await codeOf(accepted.readInto(new Uint8Array(0)))).toBe("INVALID_ARGUMENT");
  expect(await accepted.readInto(target)).toBe(1);
  const waiting = accepted.readInto(target);
  expect(await codeOf(accepted.read())).toBe("INVALID_ARGUMENT");
  expect(await codeOf(accepted.readInto(target))).toBe("INVALID_ARGUMENT");
  stream.reset(42);
  expect(await waiting.catch((error: unknown) => (error as StreamError).errorCode)).toBe(42);
});

// spec: STREAM-1
test("streams of both sides and both directions have ids of their own", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const ids = [
    client.openStream().id,
    server.openStream().id,
    client.openUniStream().id,
    server.openUniStream().id,
    client.openStream().id,
  ];
  expect(new Set(ids).size).toBe(5);
});

test("a server's streams reach the client, both kinds", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const uni = server.openUniStream();
  await uni.write(bytes("news"));
  await uni.close();
  expect(await textOf(await client.acceptUniStream())).toBe("news");
  const both = server.openStream();
  await both.write(bytes("hello"));
  const accepted = await client.acceptStream();
  await accepted.write(bytes("hi"));
  await accepted.close();
  expect(await textOf(both)).toBe("hi");
});

test("a reset rejects the other side's reads with the code, a stopped reader the writes", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(bytes("x"));
  const accepted = await server.acceptStream();
  await accepted.read();
  stream.reset(42);
  const refused = await accepted.read().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(StreamError);
  expect((refused as StreamError).errorCode).toBe(42);
  expect((refused as StreamError).remote).toBe(true);
  stream.stopReading(7);
  let failed: unknown;
  for (let i = 0; i < 1000 && failed === undefined; i += 1) {
    failed = await accepted.write(bytes("unwanted")).then(
      () => undefined,
      (error: unknown) => error,
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((failed as StreamError).errorCode).toBe(7);
});

// spec: CREDIT-2
test("a reader that stops reading stops the writer, and goes on where it stopped", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair({}, { limits: { maxStreamWindowBytes: 256 * 1024 } });
  const stream = server.openStream();
  let written = 0;
  const writing = (async () => {
    for (let i = 0; i < 64; i += 1) {
      await stream.write(new Uint8Array(64 * 1024).fill(i));
      written += 64 * 1024;
    }
    await stream.close();
  })();
  const accepted = await client.acceptStream();
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(written).toBeLessThan(64 * 64 * 1024);
  expect(client.stats().receiveBufferBytes).toBeLessThanOrEqual(256 * 1024);
  let at = 0;
  for await (const data of accepted) {
    for (const byte of data) {
      if (byte !== Math.floor(at / (64 * 1024))) throw new Error(`wrong byte at ${at}`);
      at += 1;
    }
  }
  await writing;
  expect(at).toBe(64 * 64 * 1024);
});

test("openStream fails at the peer's limit, openStreamSync waits for it", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair({}, { limits: { maxStreams: 2 } });
  const first = server.openStream();
  server.openStream();
  expect(() => server.openStream()).toThrow(StreamLimitError);
  const waiting = server.openStreamSync();
  await first.write(bytes("a"));
  await first.close();
  const accepted = await client.acceptStream();
  await accepted.close();
  expect(await textOf(accepted)).toBe("a");
  await textOf(first);
  expect((await waiting).id).toBeGreaterThan(0n);
  expect(await codeOf(server.openStreamSync({ signal: AbortSignal.timeout(30) }))).toBe("ABORTED");
  expect(await codeOf(server.openStreamSync({ signal: AbortSignal.abort() }))).toBe("ABORTED");
});

test("the bytes given to write may be changed as soon as it has resolved", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  const reused = new Uint8Array(20_000);
  const writing = (async () => {
    for (let i = 0; i < 50; i += 1) {
      reused.fill(i);
      await stream.write(reused);
    }
    await stream.close();
  })();
  let at = 0;
  for await (const data of await server.acceptStream()) {
    for (const byte of data) {
      if (byte !== Math.floor(at / 20_000)) throw new Error(`wrong byte at ${at}`);
      at += 1;
    }
  }
  await writing;
  expect(at).toBe(1_000_000);
});

test("web streams carry the same bytes", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  const writer = stream.writable.getWriter();
  await writer.write(bytes("through "));
  await writer.write(bytes("web streams"));
  const closing = writer.close();
  const accepted = await server.acceptStream();
  let text = "";
  const decoder = new TextDecoder();
  for await (const data of accepted.readable) text += decoder.decode(data, { stream: true });
  await closing;
  expect(text).toBe("through web streams");
});

test("a second read while one is waiting is refused, and so is a write after close", async () => {
  await using cluster = new TestCluster();
  const { client } = await cluster.pair();
  const stream = client.openStream();
  void stream.read().catch(() => undefined);
  expect(await codeOf(stream.read())).toBe("INVALID_ARGUMENT");
  await stream.write(bytes("x"));
  void stream.close();
  expect(await codeOf(stream.write(bytes("y")))).toBe("CLOSED");
});

test("leaving a for-await loop early stops the sender", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = server.openStream();
  const writing = (async () => {
    for (;;) await stream.write(new Uint8Array(64 * 1024));
  })();
  for await (const data of await client.acceptStream()) {
    expect(data.length).toBeGreaterThan(0);
    break;
  }
  expect(await codeOf(writing)).toBe("APPLICATION");
});

test("flushed resolves when the other side has everything that was written before, and rejects as write", async () => {
  await using cluster = new TestCluster({ shape: { delayMs: 5 } });
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.flushed();
  void stream.write(bytes("one"));
  await stream.flushed();
  const far = await server.acceptStream();
  expect(server.stats().receiveBufferBytes).toBe(3);
  far.stopReading(7);
  void stream.write(bytes("two")).catch(() => undefined);
  await expect(stream.flushed()).rejects.toMatchObject({ errorCode: 7, remote: true });
});
