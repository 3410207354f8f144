import { isKwikError } from "@kwik/core";
import { expect, test } from "vitest";
import { bytes, TestCluster, textOf } from "./pair.ts";
import { codeOf, watch } from "./watching.ts";

const LENGTH = 600_000;

function source(version: string, fill: number, length = LENGTH) {
  const read = async (_offset: bigint, count: number) => new Uint8Array(count).fill(fill);
  return { id: "film", version, length: BigInt(length), read };
}

function broken() {
  const read = () => Promise.reject(new Error("the disk is gone"));
  return { ...source("1", 0), read };
}

test("a source that fails ends its stream on both sides, and nobody waits on it", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  for (const end of [false, true]) {
    const stream = server.openStream();
    const other = server.openStream();
    expect(await codeOf(stream.sendContent(broken(), { end }))).toBe("IO");
    expect(await codeOf(stream.write(bytes("more")))).toBe("IO");
    expect(await codeOf(stream.flushed())).toBe("IO");
    expect(await codeOf(stream.close())).toBe("IO");
    expect(() => stream.skip(1)).toThrow(expect.objectContaining({ code: "IO" }));
    expect(await codeOf((await client.acceptStream()).read())).toBe("APPLICATION");
    await other.write(bytes("x"));
    expect(await (await client.acceptStream()).read()).toEqual(bytes("x"));
  }
});

test("two versions of one content go out at once, each whole", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const streams = [server.openStream(), server.openStream(), server.openStream()];
  const sending = streams.map((stream, at) => codeOf(stream.sendContent(source(String(at), at), { end: true })));
  for (const fill of [0, 1, 2]) {
    let got = 0;
    for await (const data of await client.acceptStream()) {
      expect(data.every((value) => value === fill)).toBe(true);
      got += data.length;
    }
    expect(got).toBe(LENGTH);
  }
  expect(await Promise.all(sending)).toEqual(["no error", "no error", "no error"]);
});

test("the store is asked for a version that is not on offer", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve({ content: { open: async () => source("2", 2) } });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const [home, other] = await Promise.all([a.next(), b.next()]);
  await expect.poll(() => client.stats().paths.filter((path) => path.state === "active").length).toBe(2);
  const happened = watch(client);
  // The other server is busy with an older version on a stream of its own.
  const older = codeOf(other.openStream().sendContent(source("1", 1)));
  const far = await client.acceptStream();
  const newer = codeOf(home.openStream().sendContent(source("2", 2), { end: true }));
  let got = 0;
  for await (const data of await client.acceptStream()) got += data.length;
  expect(got).toBe(LENGTH);
  expect(await newer).toBe("no error");
  const isolated = happened.seen.filter((event) => event.type === "source-isolated");
  expect(isolated.filter(({ version }) => version === "1")).toEqual([]);
  far.stopReading(3);
  expect(await older).toMatch(/APPLICATION|no error/);
});

test("what onProgress throws ends the offer, and nothing else", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const onProgress = (): void => {
    throw new Error("mine");
  };
  const sending = server.openStream().sendContent(source("1", 1, 20 * 1024 * 1024), { end: true, onProgress });
  const ended = sending.then(
    () => "no error",
    (error: unknown) => (isKwikError(error) ? error.message : String(error)),
  );
  const far = await client.acceptStream();
  expect(await codeOf(textOf(far))).toBe("APPLICATION");
  expect(await ended).toMatch(/mine/);
});

test("as many contents go out at once as there are streams", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const count = 300;
  const sending = Array.from({ length: count }, (_, at) =>
    codeOf(server.openStream().sendContent(source(String(at), at % 200, 1000), { end: true })),
  );
  const streams = await Promise.all(Array.from({ length: count }, () => client.acceptStream()));
  for (const [at, stream] of streams.entries()) expect((await stream.read())?.at(-1)).toBe(at % 200);
  expect(new Set(await Promise.all(sending))).toEqual(new Set(["no error"]));
});

test("further contents of one stream wait for those before them", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const both = server.openStream();
  const count = 300;
  const sending = Array.from({ length: count }, (_, at) =>
    codeOf(both.sendContent(source(String(at), at % 200, 1000), { end: at === count - 1 })),
  );
  const far = await client.acceptStream();
  let got = 0;
  for await (const data of far) {
    for (const value of data) {
      if (value !== Math.floor(got / 1000) % 200) throw new Error(`byte ${got} is ${value}`);
      got += 1;
    }
  }
  expect(got).toBe(count * 1000);
  expect(new Set(await Promise.all(sending))).toEqual(new Set(["no error"]));
});

test("calls of a content store are under way for all clients together up to maxPendingOpeningsInAll, and one network leaves others half of what is left", async () => {
  let host = "203.0.113.1";
  await using cluster = new TestCluster({ clientHost: () => host });
  const open = new Map<string, (() => void)[]>();
  const asked = (): number => [...open.values()].reduce((sum, calls) => sum + calls.length, 0);
  const content = {
    open: (_id: string, request?: { readonly sessionId: string }) =>
      new Promise<undefined>((resolve) => {
        const calls = open.get(request?.sessionId ?? "") ?? [];
        open.set(request?.sessionId ?? "", calls);
        calls.push(() => resolve(undefined));
      }),
  };
  const home = await cluster.serve();
  const store = await cluster.serve({ content, limits: { maxPendingOpeningsInAll: 8, handshakeTimeoutMs: 30_000 } });
  /** A client that asks the store for ten contents; its home has them all, and keeps them to itself for now. */
  const begin = async (): Promise<string> => {
    const client = await cluster.dial(home, { servers: [store.listener.url] });
    const session = await home.next();
    await store.next();
    await expect.poll(() => session.activePaths().length).toBe(2);
    for (let id = 0; id < 10; id += 1) {
      const hashes = async () => [new Uint8Array(32)];
      const part = { id: String(id), version: "1", length: 1000n, hashes, read: () => new Promise<Uint8Array>(() => undefined) };
      void codeOf(session.openStream().sendContent(part, { end: true }));
    }
    return client.id;
  };
  await begin();
  await begin();
  await expect.poll(asked).toBe(4);
  host = "198.51.100.1";
  const other = await begin();
  await expect.poll(() => open.get(other)?.length).toBe(2);
  expect(asked()).toBe(6);
  for (const calls of open.values()) for (const answer of calls) answer();
  await expect.poll(asked).toBeGreaterThan(6);
});

// spec: CONTENT-21
test("however a content ends, its stream makes room for another", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair({ limits: { maxStreams: 8, contentReadTimeoutMs: 20 } });
  const contents = [
    () => source("1", 1),
    broken,
    () => source("2", 2, 30_000_000),
    () => ({ ...source("3", 3), read: () => new Promise<Uint8Array>(() => undefined) }),
  ];
  let served = 0;
  void (async () => {
    for await (const stream of server.incomingStreams()) {
      const at = served++;
      const sending = stream.sendContent((contents[at % 4] as () => ReturnType<typeof source>)(), { end: at % 3 === 0 });
      sending.then(
        () => stream.close(),
        () => undefined,
      );
      if (at % 10 === 9) stream.reset(4);
    }
  })();
  for (let count = 0; count < 100; count += 1) {
    const stream = await client.openStreamSync();
    await stream.close();
    const reading = stream.read();
    if (count % 5 === 4 || count % 4 >= 2) stream.stopReading(6);
    await reading.catch(() => undefined);
    // What was not read to its end would stay open, as any stream.
    if (count % 4 < 2) for (let data = await stream.read().catch(() => null); data !== null; data = await stream.read().catch(() => null));
  }
  await expect.poll(() => [client.stats().openStreams, server.stats().openStreams]).toEqual([0, 0]);
  expect(served).toBe(100);
});
