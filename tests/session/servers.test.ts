import { createHash } from "node:crypto";
import { type ContentSource, isKwikError, PathError, type PathInfo, type SessionEvent } from "@kwik/core";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { bytes, TestCluster, textOf } from "./pair.ts";

function contentOf(id: string, data: Uint8Array, version = "1"): ContentSource {
  return { id, version, length: BigInt(data.length), read: async (offset, length) => data.slice(Number(offset), Number(offset) + length) };
}

function storeOf(source: ContentSource) {
  return { open: async (id: string) => (id === source.id ? source : undefined) };
}

// spec: PATH-8, PATH-12
test("a server adds a path to another, which joins with a ticket; both list it", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  const client = await cluster.dial(a);
  const primary = await a.next();
  const joined = b.next();
  const path = await primary.addPath(b.address, { identity: b.identity });
  expect(path).toMatchObject({ id: 1, address: b.address, state: "active", local: false, primary: false });
  const secondary = await joined;
  expect(secondary.role).toBe("secondary");
  expect(secondary.id).toBe(client.id);
  expect(primary.activePaths().map((each: PathInfo) => each.id)).toEqual([0, 1]);
  expect(client.stats().paths.map((each) => each.state)).toEqual(["active", "active"]);
});

test("addPath rejects when the policy refuses, and alike when nobody is there and when the identity is another's", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  const client = await cluster.dial(a, {
    pathPolicy: { allow: (address) => !address.endsWith(":9999") },
    limits: { handshakeTimeoutMs: 500 },
  });
  const told: string[] = [];
  void (async () => {
    for await (const event of client.events()) if (event.type === "path-failed") told.push(`${event.code} ${event.address}`);
  })();
  const primary = await a.next();
  const codes: string[] = [];
  for (const attempt of [
    primary.addPath("127.0.0.1:9999"),
    primary.addPath("169.254.169.254:4433"),
    primary.addPath("127.0.0.1:7"),
    primary.addPath("127.0.0.1:6001"),
    primary.addPath(b.address, { identity: `sha256:${"f".repeat(64)}` }),
  ]) {
    const error = await attempt.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PathError);
    codes.push(isKwikError(error) ? error.code : "");
  }
  expect(codes).toEqual(["ADDRESS_REFUSED", "ADDRESS_REFUSED", "ADDRESS_REFUSED", "TIMEOUT", "TIMEOUT"]);
  expect(primary.activePaths()).toHaveLength(1);
  // The client's application hears of them too.
  expect(told.slice(0, 3)).toEqual(
    ["127.0.0.1:9999", "169.254.169.254:4433", "127.0.0.1:7"].map((address) => `ADDRESS_REFUSED ${address}`),
  );
});

// spec: RAW-1, RAW-2
test("raw messages go from server to server through the client, and a target without handler says so", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  await cluster.dial(a);
  const primary = await a.next();
  const joined = b.next();
  const path = await primary.addPath(b.address, { identity: b.identity });
  const secondary = await joined;
  expect(await primary.sendRaw(bytes("?"), path.id).catch((error: unknown) => (isKwikError(error) ? error.code : error))).toBe(
    "NOT_SUPPORTED",
  );
  secondary.onRaw(async (message) => bytes(`got ${new TextDecoder().decode(message.data)} from ${message.fromPathId}`));
  const mine = Buffer.from("parts");
  const answer = primary.sendRaw(mine, path.id);
  mine.fill(0);
  expect(new TextDecoder().decode(await answer)).toBe("got parts from 0");
  primary.onRaw(() => bytes("back"));
  expect(new TextDecoder().decode(await secondary.sendRaw(bytes("x"), 0))).toBe("back");
  expect(await primary.sendRaw(bytes("x"), 99).catch((error: unknown) => (isKwikError(error) ? error.code : error))).toBe("RAW_REFUSED");
});

// spec: STREAM-7
test("even parts from the home, odd ones from another server, one stream for the client", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  const client = await cluster.dial(a);
  const primary = await a.next();
  const joined = b.next();
  await primary.addPath(b.address, { identity: b.identity });
  const secondary = await joined;
  const whole = patternBytes(7, 0, 1_000_000);
  const part = 50_000;
  const stream = primary.openStream();
  const home = (async () => {
    for (let at = 0; at < whole.length; at += part) {
      if ((at / part) % 2 === 0) await stream.write(whole.subarray(at, at + part));
      else stream.skip(part);
    }
    await stream.close();
  })();
  const other = (async () => {
    for (let at = part; at < whole.length; at += 2 * part) {
      const contribution = secondary.contribute({ streamId: stream.id, offset: BigInt(at) });
      // The writer's bytes are its own again at once; a Buffer's slice would still be the same memory.
      const mine = Buffer.from(whole.subarray(at, at + part));
      const written = contribution.write(mine);
      mine.fill(0);
      await written;
      await contribution.close();
    }
  })();
  const got: Uint8Array[] = [];
  for await (const data of await client.acceptStream()) got.push(data);
  await Promise.all([home, other]);
  expect(Buffer.compare(Buffer.concat(got), whole)).toBe(0);
});

test("a server that the client brought itself may not contribute; its path is closed and the stream goes on", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const primary = await a.next();
  const secondary = await b.next();
  // The primary signed its ticket, so it is vouched for; a stream can be closed to contributions all the same.
  const stream = primary.openStream({ contributions: false });
  await stream.write(bytes("only "));
  const accepted = await client.acceptStream();
  const contribution = secondary.contribute({ streamId: stream.id, offset: 5n });
  void contribution.write(bytes("evil")).catch(() => undefined);
  void contribution.close().catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await stream.write(bytes("mine"));
  await stream.close();
  expect(await textOf(accepted)).toBe("only mine");
});

// spec: CONTENT-1, CONTENT-2, CONTENT-3
test("one content from three servers, of which one lies; the bytes are right and the liar is named", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(3, 0, 8_000_000);
  const lies = data.map((byte) => byte ^ 1);
  const a = await cluster.serve({ content: storeOf(contentOf("film", data)) });
  const b = await cluster.serve({ content: storeOf(contentOf("film", data)) });
  const c = await cluster.serve({ content: storeOf(contentOf("film", lies)) });
  const client = await cluster.dial(a, { servers: [b.listener.url, c.listener.url] });
  const primary = await a.next();
  await Promise.all([b.next(), c.next()]);
  const events: SessionEvent[] = [];
  void (async () => {
    for await (const event of client.events()) events.push(event);
  })();
  while (client.stats().paths.filter((path) => path.state === "active").length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  const stream = primary.openStream();
  const sending = stream.sendContent(contentOf("film", data), { end: true });
  const got: Uint8Array[] = [];
  for await (const piece of await client.acceptStream()) got.push(piece);
  await sending;
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
  const isolated = events.filter((event) => event.type === "source-isolated");
  expect(isolated.map((event) => event.path?.address)).toEqual([c.address]);
});

// spec: CONTENT-3
test("a server that is isolated for another's content still brings a content of its own", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(3, 0, 3_000_000);
  const other = data.map((byte) => byte ^ 1);
  const a = await cluster.serve({ content: storeOf(contentOf("film", data)) });
  const b = await cluster.serve({ content: storeOf(contentOf("film", other)) });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const [atA, atB] = await Promise.all([a.next(), b.next()]);
  const events = client.events()[Symbol.asyncIterator]();
  while (client.stats().paths.filter((path) => path.state === "active").length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const fetched = async (server: typeof atA, source: ContentSource): Promise<Buffer> => {
    const sending = server.openStream().sendContent(source, { end: true });
    const got: Uint8Array[] = [];
    for await (const piece of await client.acceptStream()) got.push(piece);
    await sending;
    return Buffer.concat(got);
  };
  expect(Buffer.compare(await fetched(atA, contentOf("film", data)), data)).toBe(0);
  for (let event = await events.next(); event.value?.type !== "source-isolated"; event = await events.next())
    expect(event.done).toBe(false);
  expect(Buffer.compare(await fetched(atB, contentOf("film", other)), other)).toBe(0);
});

// spec: CONTENT-8
test("hashes that come one after the other are told as they come, and what is missing at their end is made by reading", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(3, 0, 2_500_000);
  const { client, server } = await cluster.pair();
  const more = Promise.withResolvers<void>();
  const source: ContentSource = {
    ...contentOf("film", data),
    async *hashesFrom(offset, blockBytes) {
      expect([offset, blockBytes]).toEqual([0n, 256 * 1024]);
      for (let at = 0; at < 4 * blockBytes; at += blockBytes) {
        if (at === 2 * blockBytes) await more.promise;
        yield createHash("sha256")
          .update(data.subarray(at, at + blockBytes))
          .digest();
      }
    },
  };
  const sending = server.openStream().sendContent(source, { end: true });
  const stream = await client.acceptStream();
  const got: Uint8Array[] = [];
  // Two blocks are there to be read before the third hash is known.
  for (let bytes = 0; bytes < 512 * 1024; ) {
    const piece = (await stream.read()) as Uint8Array;
    got.push(piece);
    bytes += piece.length;
  }
  more.resolve();
  for await (const piece of stream) got.push(piece);
  await sending;
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
});

test("a content whose reader stops rejects with the reader's code, as a write does", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(3, 0, 8_000_000);
  const { client, server } = await cluster.pair({ content: storeOf(contentOf("film", data)) });
  const stream = server.openStream();
  const sending = stream.sendContent(contentOf("film", data), { end: true });
  const read = await client.acceptStream();
  await read.read();
  read.stopReading(79);
  await expect(sending).rejects.toMatchObject({ code: "APPLICATION", errorCode: 79, remote: true });
});

test("a content whose reader stops after the end of its stream has arrived, and no byte of it, rejects too", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = server.openStream();
  const silent: ContentSource = { id: "film", version: "1", length: 100_000n, read: () => new Promise(() => undefined) };
  const sending = stream.sendContent(silent, { end: true });
  const read = await client.acceptStream();
  await stream.close();
  read.stopReading(79);
  await expect(sending).rejects.toMatchObject({ code: "APPLICATION", errorCode: 79, remote: true });
});

// spec: CONTENT-20
test("a content whose reader stops when its home has forgotten the stream, of which both ends have arrived, rejects with the reader's code", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = server.openStream();
  const silent: ContentSource = { id: "film", version: "1", length: 100_000n, read: () => new Promise(() => undefined) };
  const sending = stream.sendContent(silent, { end: true });
  const read = await client.acceptStream();
  const [, , end] = await Promise.all([stream.close(), read.close(), stream.read()]);
  expect(end).toBeNull();
  await expect.poll(() => server.stats().openStreams).toBe(0);
  read.stopReading(79);
  await expect(sending).rejects.toMatchObject({ code: "APPLICATION", errorCode: 79, remote: true });
});

// spec: CLOSE-3
test("removePath takes a path out while the rest goes on", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  const client = await cluster.dial(a);
  const primary = await a.next();
  const joined = b.next();
  const path = await primary.addPath(b.address, { identity: b.identity });
  await joined;
  await primary.removePath(path.id);
  while (client.stats().paths[1]?.state !== "closed") await new Promise((resolve) => setTimeout(resolve, 5));
  const stream = client.openStream();
  await stream.write(bytes("still here"));
  void stream.close();
  expect(await textOf(await primary.acceptStream())).toBe("still here");
});

test("events are kept from the call on, before anybody asks for the first", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve();
  const client = await cluster.dial(a);
  const primary = await a.next();
  const events = client.events()[Symbol.asyncIterator]();
  await primary.addPath(b.address, { identity: b.identity });
  const seen: string[] = [];
  while (!seen.includes("path-active")) {
    const next = await events.next();
    if (next.done === true) break;
    seen.push(next.value.type);
  }
  expect(seen).toContain("path-added");
});
