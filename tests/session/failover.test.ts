import { createHash } from "node:crypto";
import { isKwikError, type SessionEvent } from "@kwik/core";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";

function watch(session: { events(): AsyncIterable<SessionEvent> }): string[] {
  const seen: string[] = [];
  void (async () => {
    for await (const event of session.events()) seen.push(event.type);
  })();
  return seen;
}

// spec: PATH-7, PATH-10, CLOSE-4
test("a session whose only connection is lost goes on over a new one, nothing lost and nothing doubled", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const events = watch(client);
  const data = patternBytes(1, 0, 6_000_000);
  const stream = server.openStream();
  const writing = (async () => {
    for (let at = 0; at < data.length; at += 100_000) await stream.write(data.subarray(at, at + 100_000));
    await stream.close();
  })();
  const got: Uint8Array[] = [];
  let total = 0;
  let kills = 0;
  for await (const piece of await client.acceptStream()) {
    got.push(piece);
    total += piece.length;
    if (total > (kills + 1) * 1_500_000 && kills < 3) {
      kills += 1;
      cluster.network.connections.at(-1)?.kill();
    }
  }
  await writing;
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
  expect(kills).toBe(3);
  expect(events.filter((type) => type === "suspended")).toHaveLength(3);
  expect(events.filter((type) => type === "resumed")).toHaveLength(3);
  expect(server.allPaths().map((path) => path.state)).toEqual(["dead", "dead", "dead", "active"]);
});

test("an upload survives the loss of its connection too", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const data = patternBytes(2, 0, 3_000_000);
  const stream = client.openStream();
  const writing = (async () => {
    for (let at = 0; at < data.length; at += 50_000) await stream.write(data.subarray(at, at + 50_000));
    await stream.close();
  })();
  const got: Uint8Array[] = [];
  let total = 0;
  let isKilled = false;
  for await (const piece of await server.acceptStream()) {
    got.push(piece);
    total += piece.length;
    if (total > 1_000_000 && !isKilled) {
      isKilled = true;
      cluster.network.connections.at(-1)?.kill();
    }
  }
  await writing;
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
});

// spec: PATH-5
test("a silent black hole is noticed by the session itself, and another path to the same server takes over", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const client = await cluster.dial(a);
  const primary = await a.next();
  const path = await primary.addPath(a.address, { identity: a.identity });
  expect(path.local).toBe(true);
  const events = watch(client);
  const data = patternBytes(4, 0, 8_000_000);
  const stream = primary.openStream();
  const writing = (async () => {
    for (let at = 0; at < data.length; at += 100_000) await stream.write(data.subarray(at, at + 100_000));
    await stream.close();
  })();
  const got: Uint8Array[] = [];
  let total = 0;
  let isBroken = false;
  for await (const piece of await client.acceptStream()) {
    got.push(piece);
    total += piece.length;
    if (total > 2_000_000 && !isBroken) {
      isBroken = true;
      cluster.network.connections[0]?.setShape("both", { isBlackhole: true });
    }
  }
  await writing;
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
  expect(events.filter((type) => type === "suspended")).toHaveLength(0);
});

// spec: CLOSE-4
test("a session that stays without paths ends with NO_PATHS on both sides after the grace time", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve({ limits: { graceMs: 300 } });
  const client = await cluster.dial(a, { limits: { graceMs: 300 } });
  const primary = await a.next();
  const stream = client.openStream();
  await stream.write(bytes("x"));
  const reading = stream.read().catch((error: unknown) => error);
  // Nobody answers any more, and new connections are not accepted.
  for (const connection of cluster.network.connections) connection.kill();
  await a.listener.close({ graceMs: 0 });
  expect((await client.closed).code).toMatch(/NO_PATHS|GOING_AWAY/);
  await primary.closed;
  expect(await reading).toBeInstanceOf(Error);
});

function blocksOf(data: Uint8Array, blockBytes: number): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += blockBytes) blocks.push(data.subarray(at, at + blockBytes));
  return blocks;
}

test("a content of which the home had not told all hashes fails soon when the home is gone", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const client = await cluster.dial(a);
  const primary = await a.next();
  const stream = primary.openStream();
  const source = {
    id: "film",
    version: "1",
    length: 100_000_000n,
    read: async (offset: bigint, length: number) => {
      if (offset > 10_000_000n) await new Promise(() => undefined);
      return new Uint8Array(length);
    },
  };
  void stream.sendContent(source, { end: true }).catch(() => undefined);
  const accepted = await client.acceptStream();
  await accepted.read();
  await a.listener.close();
  let failed: unknown;
  while (failed === undefined) {
    await accepted.read().catch((error: unknown) => {
      failed = error;
    });
  }
  expect(isKwikError(failed) ? failed.code : failed).toMatch(/HOME_LOST|GOING_AWAY/);
});

// spec: CONTENT-5
test("a content completes although its home dies in the middle", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(9, 0, 12_000_000);
  const source = (slow: boolean) => ({
    id: "film",
    version: "1",
    length: BigInt(data.length),
    hashes: async (blockBytes: number) => blocksOf(data, blockBytes).map((block) => createHash("sha256").update(block).digest()),
    read: async (offset: bigint, length: number) => {
      if (slow) await new Promise((resolve) => setTimeout(resolve, 20));
      return data.slice(Number(offset), Number(offset) + length);
    },
  });
  const content = { open: async () => source(true) };
  const a = await cluster.serve({ content });
  const b = await cluster.serve({ content });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const primary = await a.next();
  await b.next();
  while (client.stats().paths.filter((path) => path.state === "active").length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const stream = primary.openStream();
  void stream.sendContent(source(true), { end: true }).catch(() => undefined);
  const got: Uint8Array[] = [];
  let total = 0;
  let isKilled = false;
  for await (const piece of await client.acceptStream()) {
    got.push(piece);
    total += piece.length;
    if (total > data.length / 2 && !isKilled) {
      isKilled = true;
      for (const connection of cluster.network.connections) if (connection.address === a.address) connection.kill();
      await a.listener.close();
    }
  }
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
});
