import { AuthError, isKwikError, Priority } from "@kwik/core";
import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";

const text = (data: Uint8Array | null): string => new TextDecoder().decode(data ?? new Uint8Array(0));

// spec: PATH-3, CREDIT-5
test("an early dial's first bytes leave with the hello: the server has them before the client has heard anything", async () => {
  await using cluster = new TestCluster({ shape: { delayMs: 5 } });
  const server = await cluster.serve();
  const client = await cluster.dial(server, { early: true });
  const connection = cluster.network.connections[0];
  connection?.setShape("to-client", { isBlackhole: true });
  expect(client.id).toBe("");
  const stream = client.openStream();
  await stream.write(bytes("already here"));
  const session = await server.next();
  const accepted = await session.acceptStream();
  expect(text(await accepted.read())).toBe("already here");
  expect(client.stats().bytesReceived).toBe(0);
  let isReady = false;
  const becoming = client.ready.then(() => {
    isReady = true;
  });
  await accepted.write(bytes("and back"));
  expect(isReady).toBe(false);
  connection?.setShape("to-client", { isBlackhole: false });
  expect(text(await stream.read())).toBe("and back");
  await becoming;
  expect(client.id).toBe(session.id);
});

// spec: CREDIT-5
test("who waits for a stream beyond those that may be opened unseen gets it with the hello's answer", async () => {
  await using cluster = new TestCluster({ shape: { delayMs: 5 } });
  const server = await cluster.serve();
  const client = await cluster.dial(server, { early: true });
  for (let count = 0; count < 100; count += 1) client.openStream();
  const waiting = client.openStreamSync();
  await client.ready;
  expect(await waiting).toBeDefined();
});

// spec: CTRL-9
test("an early stream with a priority, or closed to contributions, is announced after the hello's answer", async () => {
  await using cluster = new TestCluster({ shape: { delayMs: 5 } });
  const server = await cluster.serve();
  const client = await cluster.dial(server, { early: true });
  const stream = client.openStream({ priority: Priority.HIGH, contributions: false });
  await stream.write(bytes("in a hurry"));
  await client.ready;
  const accepted = await (await server.next()).acceptStream();
  expect(text(await accepted.read())).toBe("in a hurry");
  await accepted.write(bytes("so it seems"));
  expect(text(await stream.read())).toBe("so it seems");
  // The announcement travels beside the data.
  await expect.poll(() => accepted.priority).toBe(Priority.HIGH);
});

// spec: SESS-4
test("a refused early dial says so by ready and by its streams, and its bytes reach no application", async () => {
  await using cluster = new TestCluster({ shape: { delayMs: 5 } });
  const server = await cluster.serve({ authenticate: () => ({ ok: false, reason: "unknown token" }) });
  const client = await cluster.dial(server, { early: true });
  const stream = client.openStream();
  await stream.write(bytes("let me in"));
  const [ready, read] = await Promise.all(
    [client.ready, stream.read()].map((promise) => Promise.resolve(promise).catch((error: unknown) => error)),
  );
  expect(ready).toBeInstanceOf(AuthError);
  expect((ready as Error).message).toContain("unknown token");
  expect(isKwikError(read)).toBe(true);
  await client.closed;
  expect(server.listener.stats()).toMatchObject({ sessions: 0, acceptedSessions: 0, refusedSessions: 1 });
});

test("an early dial uses the servers it was given once the first has answered", async () => {
  await using cluster = new TestCluster({ shape: { delayMs: 5 } });
  const [first, second] = [await cluster.serve(), await cluster.serve()];
  const client = await cluster.dial(first, {
    early: true,
    servers: [second.listener.url],
    trust: { pins: [first.identity, second.identity] },
  });
  const paths = (async () => {
    for await (const event of client.events()) if (event.type === "path-active" && event.path.address === second.address) return event.path;
    return undefined;
  })();
  expect(cluster.network.connections.length).toBe(1);
  await client.ready;
  expect((await paths)?.address).toBe(second.address);
});

test("ready has resolved when an ordinary dial has", async () => {
  await using cluster = new TestCluster();
  const { client } = await cluster.pair();
  await client.ready;
  expect(client.id).not.toBe("");
});
