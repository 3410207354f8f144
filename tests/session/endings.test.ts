import { createHash } from "node:crypto";
import {
  dialWith,
  isKwikError,
  type Runtime,
  type SendStream,
  SessionClosedError,
  type Stream,
  StreamError,
  listenWith,
  systemRuntime,
} from "@kwik/core";
import { memoryNetwork, patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";

const IDENTITY = `sha256:${"a".repeat(64)}`;

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "no error",
    (error: unknown) => error,
  );
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await errorOf(promise);
  return isKwikError(error) ? error.code : String(error);
}

async function until(condition: () => boolean, maxMs = 30_000): Promise<void> {
  const end = performance.now() + maxMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The system's runtime, counting the timers that would keep the process alive. */
function countingRuntime(): { readonly runtime: Runtime; readonly timers: Set<unknown> } {
  const timers = new Set<unknown>();
  const runtime: Runtime = {
    ...systemRuntime,
    setTimer: (callback, delayMs) => {
      const timer = systemRuntime.setTimer(() => {
        timers.delete(timer);
        callback();
      }, delayMs);
      timers.add(timer);
      return timer;
    },
    clearTimer: (timer) => {
      timers.delete(timer);
      systemRuntime.clearTimer(timer);
    },
  };
  return { runtime, timers };
}

// spec: CLOSE-1, CLOSE-4
test("no timer keeps a process alive after its session and its listener were closed, suspended or not", async () => {
  const network = memoryNetwork();
  const { runtime, timers } = countingRuntime();
  const environment = { transport: network.transport, runtime, agent: "test" };
  const serving = { ...environment, tls: { cert: IDENTITY, key: "" }, identity: IDENTITY, authority: undefined };
  const listener = await listenWith(serving, "127.0.0.1:4001", { tls: "self-signed" });
  const client = await dialWith(environment, listener.url);
  const server = await listener.accept();
  for (const connection of network.connections) connection.kill();
  await client.close();
  await server.close();
  await listener.close({ graceMs: 60_000 });
  await until(() => timers.size === 0, 700);
});

test("a listener that waits for its sessions stops waiting when they have ended", async () => {
  const network = memoryNetwork();
  const { runtime, timers } = countingRuntime();
  const environment = { transport: network.transport, runtime, agent: "test" };
  const serving = { ...environment, tls: { cert: IDENTITY, key: "" }, identity: IDENTITY, authority: undefined };
  const listener = await listenWith(serving, "127.0.0.1:4001", { tls: "self-signed" });
  const client = await dialWith(environment, listener.url);
  await listener.accept();
  const closing = listener.close({ graceMs: 60_000 });
  await client.close();
  await closing;
  await until(() => timers.size === 0, 2_000);
});

test("a session that is admitted while its listener closes is not let in", async () => {
  await using cluster = new TestCluster();
  let admit: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    admit = resolve;
  });
  let isAsked = false;
  const server = await cluster.serve({
    authenticate: async ({ token }) => {
      if (token === "slow") {
        isAsked = true;
        await asked;
      }
      return { ok: true };
    },
  });
  const first = await cluster.dial(server);
  const dialling = cluster.dial(server, { credentials: { token: "slow" } });
  void dialling.catch(() => undefined);
  await until(() => isAsked);
  const closing = server.listener.close({ graceMs: 500 });
  admit();
  expect(await codeOf(dialling)).toBe("GOING_AWAY");
  await first.close();
  await closing;
  expect(server.listener.stats().sessions).toBe(0);
});

// spec: CLOSE-2
test("nothing of a stream hangs when its home is gone while other servers go on", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve({ limits: { maxStreams: 100 } });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  await a.next();
  await b.next();
  await until(() => client.stats().paths.filter((path) => path.state === "active").length === 2);
  const atB = client.stats().paths.find((path) => path.address === b.address)?.id ?? -1;
  const streams: SendStream[] = [];
  for (;;) {
    try {
      streams.push(client.openUniStream({ pathId: atB }));
    } catch {
      break;
    }
  }
  const [stream] = streams as [SendStream];
  const writing = (async () => {
    for (;;) await stream.write(new Uint8Array(100_000));
  })();
  const closing = (streams[1] as SendStream).write(bytes("x")).then(() => (streams[1] as SendStream).close());
  const waiting = client.openUniStreamSync({ pathId: atB });
  for (const promise of [writing, closing, waiting]) promise.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 30));
  await b.listener.close();
  expect(await codeOf(writing)).toBe("HOME_LOST");
  expect(await codeOf(closing)).toMatch(/HOME_LOST|no error/);
  expect(await codeOf(waiting)).toBe("HOME_LOST");
  expect(() => client.openStream({ pathId: atB })).toThrow(/gone/);
  const still = client.openStream();
  await still.write(bytes("the primary is there"));
});

// spec: STREAM-7
test("a contribution to a stream whose reader has stopped ends with an error instead of waiting for ever", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  const client = await cluster.dial(a);
  const primary = await a.next();
  const joined = b.next();
  await primary.addPath(b.address, { identity: b.identity });
  const secondary = await joined;
  const stream = primary.openStream();
  await stream.write(bytes("home"));
  stream.skip(50_000_000);
  const accepted = await client.acceptStream();
  await accepted.read();
  const contribution = secondary.contribute({ streamId: stream.id, offset: 4n });
  const writing = (async () => {
    for (;;) await contribution.write(new Uint8Array(100_000));
  })();
  writing.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  accepted.stopReading(1);
  expect(await errorOf(writing)).toBeInstanceOf(StreamError);
  const late = secondary.contribute({ streamId: stream.id, offset: 4n });
  expect(await errorOf(late.write(bytes("x")).then(() => late.close()))).toBeInstanceOf(StreamError);
});

test("a web stream's writer learns at once that the other side stopped reading, and a reader that it was reset", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  const writer = stream.writable.getWriter();
  await writer.write(bytes("x"));
  const accepted = await server.acceptStream();
  await accepted.read();
  accepted.stopReading(5);
  const stopped = await errorOf(writer.closed);
  expect(stopped).toBeInstanceOf(StreamError);
  expect((stopped as StreamError).errorCode).toBe(5);
  const reader = stream.readable.getReader();
  accepted.reset(6);
  expect(((await errorOf(reader.read())) as StreamError).errorCode).toBe(6);
  const other = client.openStream();
  await other.write(bytes("y"));
  const theirs = await server.acceptStream();
  await theirs.readable.cancel();
  await until(() => isFailing(other));
  await other.writable.abort().catch(() => undefined);
});

function isFailing(stream: Stream): boolean {
  let failed = false;
  void stream.write(bytes("z")).catch(() => {
    failed = true;
  });
  return failed || isStopped(stream);
}

const stopped = new WeakSet<Stream>();
function isStopped(stream: Stream): boolean {
  void stream.write(bytes("z")).catch(() => stopped.add(stream));
  return stopped.has(stream);
}

// spec: RAW-2
test("a raw handler that answers nonsense, and one that never answers, harm nobody else", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve({ limits: { maxRawOutstanding: 3 } });
  const b = await cluster.serve();
  await cluster.dial(a);
  const primary = await a.next();
  const joined = b.next();
  const path = await primary.addPath(b.address, { identity: b.identity });
  const secondary = await joined;
  secondary.onRaw(() => undefined as never);
  expect(await codeOf(primary.sendRaw(bytes("?"), path.id))).toBe("INTERNAL_ERROR");
  secondary.onRaw(() => new Promise(() => undefined));
  for (let count = 0; count < 5; count += 1) {
    expect(await codeOf(primary.sendRaw(bytes("?"), path.id, { signal: AbortSignal.timeout(20) }))).toBe("ABORTED");
  }
  const waiting = primary.sendRaw(bytes("?"), path.id);
  waiting.catch(() => undefined);
  await primary.close();
  expect(await errorOf(waiting)).toBeInstanceOf(SessionClosedError);
});

test("a content source that cannot be closed does not bring the process down", async () => {
  await using cluster = new TestCluster();
  const source = {
    id: "film",
    version: "1",
    length: 300_000n,
    read: async (_: bigint, length: number) => new Uint8Array(length),
    close: async () => {
      throw new Error("cannot close");
    },
  };
  const a = await cluster.serve();
  const b = await cluster.serve({ content: { open: async () => source } });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const primary = await a.next();
  await b.next();
  await until(() => client.stats().paths.filter((path) => path.state === "active").length === 2);
  const offered = primary.openStream();
  const sending = offered.sendContent({ ...source, length: 30_000_000n, version: "2" }, { end: true });
  const accepted = await client.acceptStream();
  let got = 0;
  for await (const piece of accepted) got += piece.length;
  expect(got).toBe(30_000_000);
  await sending;
  await client.close();
});

test("numbers that no frame can carry are refused where they are given", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  for (const code of [-1, 1.5, Number.NaN, 2 ** 53]) {
    expect(() => stream.reset(code)).toThrow(/code/);
    expect(() => stream.stopReading(code)).toThrow(/code/);
    expect(await codeOf(client.closeWithError(code, ""))).toBe("INVALID_ARGUMENT");
  }
  for (const priority of [-1, 256, 1.5, Number.NaN]) expect(() => client.openStream({ priority })).toThrow(/priority/);
  expect(() => server.contribute({ streamId: -3n, offset: 0n })).toThrow(/stream/);
  expect(() => server.contribute({ streamId: 2n ** 60n, offset: 0n })).toThrow(/stream/);
  await stream.write(bytes("alive"));
  const accepted = await server.acceptStream();
  expect(new TextDecoder().decode((await accepted.read()) ?? undefined)).toBe("alive");
  await client.closeWithError(3, "r".repeat(2_000_000));
  expect((await server.closed).errorCode).toBe(3);
});

test("an offer that no client would take is refused to the one who makes it", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = server.openStream();
  const source = { version: "1", length: 10n, read: async (_: bigint, length: number) => new Uint8Array(length) };
  expect(await codeOf(stream.sendContent({ ...source, id: "" }))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(stream.sendContent({ ...source, id: "x".repeat(2_000_000) }))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(stream.sendContent({ ...source, id: "x", length: 2n ** 60n }))).toBe("INVALID_ARGUMENT");
  await stream.write(bytes("fine"));
  await stream.close();
  let text = "";
  for await (const data of await client.acceptStream()) text += new TextDecoder().decode(data);
  expect(text).toBe("fine");
});

test("a dial that is aborted while its link comes up rejects, whatever the transport makes of the signal", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  const abort = new AbortController();
  const { transport } = cluster.network;
  const deaf = {
    ...transport,
    dial: async (request: Parameters<typeof transport.dial>[0]) => {
      const link = await transport.dial({ ...request, signal: undefined });
      abort.abort();
      return link;
    },
  };
  const dialling = dialWith({ transport: deaf, runtime: systemRuntime, agent: "test" }, server.listener.url, { signal: abort.signal });
  expect(await codeOf(dialling)).toBe("ABORTED");
});

// spec: CONTENT-5, CLOSE-2
test("a stream whose home is gone ends with an error after the content that others brought, and its writer at once", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(5, 0, 6_000_000);
  const source = {
    id: "film",
    version: "1",
    length: BigInt(data.length),
    read: async (offset: bigint, length: number) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return data.slice(Number(offset), Number(offset) + length);
    },
  };
  const content = { open: async () => source };
  const a = await cluster.serve({ content });
  const b = await cluster.serve({ content });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const primary = await a.next();
  await b.next();
  await until(() => client.stats().paths.filter((path) => path.state === "active").length === 2);
  const stream = primary.openStream();
  const hashes = Array.from({ length: Math.ceil(data.length / 262_144) }, (_, block) =>
    createHash("sha256")
      .update(data.subarray(block * 262_144, (block + 1) * 262_144))
      .digest(),
  );
  void stream.sendContent({ ...source, hashes: async () => hashes }).catch(() => undefined);
  const accepted = await client.acceptStream();
  const pieces: Uint8Array[] = [];
  const first = await accepted.read();
  if (first !== null) pieces.push(first);
  await a.listener.close();
  const writing = (async () => {
    for (;;) await accepted.write(new Uint8Array(100_000));
  })();
  expect(await codeOf(writing)).toBe("HOME_LOST");
  let failed: unknown;
  while (failed === undefined) {
    await accepted.read().then(
      (piece) => pieces.push(piece as Uint8Array),
      (error: unknown) => {
        failed = error;
      },
    );
  }
  expect(isKwikError(failed) ? failed.code : failed).toBe("HOME_LOST");
  expect(Buffer.compare(Buffer.concat(pieces), data)).toBe(0);
});

// spec: PATH-2, PATH-12
test("events tell both sides of a path that is added before it is active, with the server's end as its address", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  const client = await cluster.dial(a);
  const primary = await a.next();
  const seen: { readonly [side: string]: string[] } = { client: [], primary: [] };
  for (const [name, session] of Object.entries({ client, primary })) {
    void (async () => {
      for await (const event of session.events()) {
        if (event.type === "path-added" || event.type === "path-active") seen[name]?.push(`${event.type} ${event.path.address}`);
      }
    })();
  }
  await new Promise((resolve) => setImmediate(resolve));
  const joined = b.next();
  await primary.addPath(b.address, { identity: b.identity });
  await until(() => seen.primary?.length === 2 && seen.client?.length === 2);
  const expected = [`path-added ${b.address}`, `path-active ${b.address}`];
  expect(seen).toEqual({ client: expected, primary: expected });
  expect(primary.allPaths().map((path) => [path.address, path.primary, path.local])).toEqual([
    [a.address, true, true],
    [b.address, false, false],
  ]);
  expect((await joined).allPaths().map((path) => [path.address, path.primary, path.local])).toEqual([
    [a.address, true, false],
    [b.address, false, true],
  ]);
});

test("a close that nobody waits for cannot end the process, and one that is waited for rejects", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): unknown => unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    await using cluster = new TestCluster();
    const { client } = await cluster.pair();
    void client.openStream().close();
    const closing = client.openStream().close();
    // Before anything has left, so that nothing can have been acknowledged.
    await client.closeWithError(7, "leaves");
    expect(await codeOf(closing)).toBe("APPLICATION");
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});
