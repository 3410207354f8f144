import { dialWith, isKwikError, type Runtime, SessionClosedError, type Stream, StreamError, listenWith, systemRuntime } from "@kwik/core";
import { memoryNetwork } from "@kwik/testkit";
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
