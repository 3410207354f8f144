import { dialWith, type ListenOptions, type Runtime, type ServerSession, systemRuntime, type Transport } from "@kwik/core";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { bytes, TestCluster, type TestServer, textOf } from "./pair.ts";
import { codeOf, film, paths, servedBy, watch } from "./watching.ts";

// spec: RESUME-2, RESUME-6, PRIMARY-1
test("when its only server is started anew a session goes on with it: old streams end with HOME_LOST, new ones wait for it", async () => {
  await using cluster = new TestCluster();
  const old = await cluster.serve();
  const client = await cluster.dial(old);
  const events = watch(client);
  const stream = client.openStream();
  await stream.write(bytes("pay 100"));
  const reading = codeOf(stream.read());
  await (await (await old.next()).acceptStream()).read();
  cluster.network.crash(old.address);
  await expect.poll(() => events.types("suspended")).toEqual(["suspended"]);
  const again = await cluster.serve({}, old);
  const [anew] = await servedBy(again);
  expect(await reading).toBe("HOME_LOST");
  expect(anew?.id).toBe(client.id);
  await expect.poll(() => anew?.role).toBe("primary");
  await expect
    .poll(() => events.types("suspended", "server-lost", "resumed", "primary-changed"))
    .toEqual(["suspended", "server-lost", "resumed", "primary-changed"]);
  const next = await client.openStreamSync();
  await next.write(bytes("balance?"));
  await next.close();
  const accepted = await anew?.acceptStream();
  expect(accepted === undefined ? "" : await textOf(accepted)).toBe("balance?");
  expect(client.stats()).toMatchObject({ isSuspended: false, suspensions: 1 });
});

// spec: RESUME-2
test("while every server is lost openStream says so, and openStreamSync waits for the next", async () => {
  await using cluster = new TestCluster();
  const old = await cluster.serve();
  const client = await cluster.dial(old);
  await old.next();
  const events = watch(client);
  // It answers the return with NO_SESSION at once, and takes its time with whoever begins anew.
  let admit: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (admit = resolve));
  cluster.network.crash(old.address);
  const again = await cluster.serve({ authenticate: () => asked.then(() => ({ ok: true })) }, old);
  await expect.poll(() => events.types("server-lost")).toEqual(["server-lost"]);
  expect(client.stats().isSuspended).toBe(true);
  expect(() => client.openStream()).toThrow(expect.objectContaining({ code: "NO_PATHS" }) as Error);
  const opening = client.openStreamSync();
  admit();
  const [stream, anew] = await Promise.all([opening, again.next()]);
  await stream.write(bytes("hello"));
  await stream.close();
  expect(await textOf(await anew.acceptStream())).toBe("hello");
});

// spec: RESUME-2, RESUME-6, CONTENT-5
test("a content goes on in the same session when all its servers were started anew", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(9, 0, 12_000_000);
  const content = { open: async () => film(data, 10) };
  const [a, b] = [await cluster.serve({ content }), await cluster.serve({ content })];
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const [home] = await servedBy(a, b);
  await expect.poll(() => paths(client).length).toBe(2);
  void home
    ?.openStream()
    .sendContent(film(data, 10), { end: true })
    .catch(() => undefined);
  const got: Uint8Array[] = [];
  let total = 0;
  let isCrashed = false;
  for await (const piece of await client.acceptStream()) {
    got.push(piece);
    total += piece.length;
    if (total < data.length / 3 || isCrashed) continue;
    isCrashed = true;
    for (const server of [a, b]) cluster.network.crash(server.address);
    await expect.poll(() => client.stats().isSuspended).toBe(true);
    for (const server of [a, b]) await cluster.serve({ content }, server);
  }
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
  expect(client.stats().suspensions).toBe(1);
});

// spec: RESUME-1
test("whoever writes into a suspended session may use up the credit and waits then; nothing of it is lost", async () => {
  await using cluster = new TestCluster();
  const window = 2_000_000;
  const limits = { initialStreamWindowBytes: window, maxStreamWindowBytes: window };
  const a = await cluster.serve({ limits });
  const client = await cluster.dial(a);
  const server = await a.next();
  const stream = client.openStream();
  await stream.write(bytes("x"));
  const accepted = await server.acceptStream();
  await accepted.read();
  cluster.network.unplug(a.address);
  await expect.poll(() => client.stats().isSuspended).toBe(true);
  const data = patternBytes(3, 0, 100_000);
  let written = 0;
  const writing = (async () => {
    for (; written < 60; written += 1) await stream.write(data);
    await stream.close();
  })();
  await expect.poll(() => written * data.length).toBeGreaterThan(window - 2 * data.length);
  expect(written * data.length).toBeLessThanOrEqual(window);
  expect(client.stats().sendBufferBytes).toBeLessThanOrEqual(window + data.length);
  cluster.network.plug(a.address);
  let total = 0;
  for await (const piece of accepted) total += piece.length;
  await writing;
  expect(total).toBe(60 * data.length);
});

// spec: RESUME-3, PATH-10
test.each([
  ["an hour ahead", 3_600_000],
  ["a day back, which only the wall clock does", -86_400_000],
])("a client whose clocks jump %s while it is suspended returns as any other", async (_, jumpMs) => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  let monotonicMs = 0;
  let wallMs = 0;
  let looks = 0;
  const runtime: Runtime = {
    ...systemRuntime,
    now: () => systemRuntime.now() + monotonicMs,
    wallClock: () => systemRuntime.wallClock() + wallMs,
    setTimer: (callback, delayMs) =>
      systemRuntime.setTimer(() => {
        callback();
        looks += 1;
      }, delayMs),
  };
  await using client = await dialWith({ transport: cluster.network.transport, runtime, agent: "test" }, a.listener.url);
  const server = await a.next();
  const stream = client.openStream();
  await stream.write(bytes("before "));
  cluster.network.unplug(a.address);
  await expect.poll(() => client.stats().isSuspended).toBe(true);
  monotonicMs = Math.max(0, jumpMs);
  wallMs = jumpMs;
  const before = looks;
  await expect.poll(() => looks).toBeGreaterThan(before + 1);
  expect(client.stats().isSuspended).toBe(true);
  cluster.network.plug(a.address);
  await stream.write(bytes("after"));
  await stream.close();
  expect(await textOf(await server.acceptStream())).toBe("before after");
});

// spec: PRIMARY-1, PRIMARY-2, PRIMARY-3, PRIMARY-4
test("after the primary is lost another server is it: it is told, adds servers, and is where new streams live", async () => {
  await using cluster = new TestCluster();
  const limits = { graceMs: 1_500 };
  const [a, b, c] = [await cluster.serve(), await cluster.serve(), await cluster.serve()];
  const client = await cluster.dial(a, { limits });
  const primary = await a.next();
  const path = await primary.addPath(b.address, { identity: b.identity });
  const secondary = await b.next();
  expect([primary.role, secondary.role]).toEqual(["primary", "secondary"]);
  const [clientEvents, events] = [watch(client), watch(secondary)];
  cluster.network.crash(a.address);
  await expect.poll(() => secondary.role).toBe("primary");
  expect(events.seen.find((event) => event.type === "primary-changed")).toMatchObject({ isHere: true, path: { id: path.id } });
  expect(clientEvents.seen.find((event) => event.type === "primary-changed")).toMatchObject({ path: { address: b.address } });
  expect(secondary.allPaths().map((one) => one.state)).toContain("dead");
  await secondary.addPath(c.address, { identity: c.identity });
  const third = await c.next();
  expect(third.role).toBe("secondary");
  const stream = client.openStream();
  await stream.write(bytes("hello"));
  await stream.close();
  expect(await textOf(await secondary.acceptStream())).toBe("hello");
  const raw = third.allPaths().find((one) => one.address === b.address)?.id ?? -1;
  secondary.onRaw(() => bytes("pong"));
  expect(new TextDecoder().decode(await third.sendRaw(bytes("ping"), raw))).toBe("pong");
});

// spec: RESUME-7
test("a client that has given a server up is let in again by it, as a new session there", async () => {
  await using cluster = new TestCluster();
  const [a, b] = [await cluster.serve(), await cluster.serve()];
  const client = await cluster.dial(a, { limits: { graceMs: 500 }, servers: [b.listener.url] });
  const [, old] = await servedBy(a, b);
  await expect.poll(() => paths(client).length).toBe(2);
  const events = watch(client);
  cluster.network.unplug(b.address);
  await expect.poll(() => events.types("server-lost").length).toBe(1);
  cluster.network.plug(b.address);
  const anew = await b.next();
  expect(events.types("server-lost")).toEqual(["server-lost"]);
  expect(anew.id).toBe(client.id);
  expect((await old?.closed)?.code).toBe("NO_PATHS");
  expect(b.listener.stats()).toMatchObject({ sessions: 1, acceptedSessions: 2, refusedSessions: 0 });
});

// spec: RESUME-8
test("a listener keeps so many sessions without a path, and ends the one that has waited longest", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve({ limits: { maxSuspendedSessions: 2 } });
  const sessions: ServerSession[] = [];
  for (let count = 0; count < 3; count += 1) {
    await cluster.dial(a);
    sessions.push(await a.next());
  }
  cluster.network.unplug(a.address);
  expect(await sessions[0]?.closed).toMatchObject({ code: "NO_PATHS", reason: expect.stringContaining("maxSuspendedSessions") as string });
  expect(a.listener.stats()).toMatchObject({ sessions: 2, suspendedSessions: 2, expiredSessions: 1, resumedSessions: 0 });
  cluster.network.plug(a.address);
  await expect.poll(() => a.listener.stats()).toMatchObject({ suspendedSessions: 0, resumedSessions: 2 });
});

// spec: RESUME-8
test("a client that fills the places of suspended sessions takes none of another network, nor of another identity behind a proxy", async () => {
  let host = "203.0.113.1";
  await using cluster = new TestCluster({ clientHost: () => host });
  const options: Partial<ListenOptions> = {
    limits: { maxSuspendedSessions: 3 },
    proxies: ["10.0.0.0/8"],
    authenticate: ({ token }) => ({ ok: true, ...(token === undefined ? {} : { identity: token }) }),
  };
  const [direct, proxied] = [await cluster.serve(options), await cluster.serve(options)];
  const begin = async (server: TestServer, from: string, token?: string): Promise<ServerSession> => {
    host = from;
    await cluster.dial(server, token === undefined ? {} : { credentials: { token } });
    return server.next();
  };
  const honest = [await begin(direct, "203.0.113.1"), await begin(proxied, "10.0.0.1", "ali")];
  const greedy: ServerSession[] = [];
  for (let count = 1; count <= 4; count += 1) {
    greedy.push(await begin(direct, `198.51.100.${count}`), await begin(proxied, "10.0.0.1", "eve"));
  }
  for (const server of [direct, proxied]) cluster.network.unplug(server.address);
  for (const session of greedy.slice(0, 4)) expect((await session.closed).code).toBe("NO_PATHS");
  for (const { listener } of [direct, proxied]) expect(listener.stats()).toMatchObject({ suspendedSessions: 3, expiredSessions: 2 });
  for (const server of [direct, proxied]) cluster.network.plug(server.address);
  for (const { listener } of [direct, proxied])
    await expect.poll(() => listener.stats()).toMatchObject({ suspendedSessions: 0, resumedSessions: 3 });
  for (const session of honest) expect(session.activePaths()).toHaveLength(1);
});

// spec: RESUME-4
test("a client that may have one path dials any of its own servers when that one is lost", async () => {
  await using cluster = new TestCluster();
  const [a, b] = [await cluster.serve(), await cluster.serve()];
  const client = await cluster.dial(a, { pathPolicy: { maxPaths: 1 }, servers: [b.listener.url] });
  await a.next();
  expect(paths(client)).toEqual([a.address]);
  cluster.network.crash(a.address);
  await b.next();
  await expect.poll(() => paths(client)).toEqual([b.address]);
});

// spec: RESUME-4
test("the only path that a client may have is first for the server at which its streams live", async () => {
  await using cluster = new TestCluster();
  const [a, b] = [await cluster.serve(), await cluster.serve()];
  const client = await cluster.dial(a, { pathPolicy: { maxPaths: 1 }, servers: [b.listener.url] });
  const server = await a.next();
  const stream = client.openStream();
  await stream.write(bytes("before "));
  const accepted = await server.acceptStream();
  for (let count = 1; count <= 4; count += 1) {
    cluster.network.connections.at(-1)?.kill();
    await expect.poll(() => [client.stats().suspensions, ...paths(client)]).toEqual([count, a.address]);
  }
  await stream.write(bytes("after"));
  await stream.close();
  expect(await textOf(accepted)).toBe("before after");
  expect(b.listener.stats().acceptedSessions).toBe(0);
});

// spec: RESUME-4
test("a server that swallows what it is sent does not keep a client from dialling the others", async () => {
  await using cluster = new TestCluster();
  const [a, b] = [await cluster.serve(), await cluster.serve()];
  let isSwallowing = false;
  const transport: Transport = {
    ...cluster.network.transport,
    dial: (request) =>
      isSwallowing && request.address.port === Number(a.address.split(":")[1])
        ? new Promise((_, reject) => request.signal?.addEventListener("abort", reject))
        : cluster.network.transport.dial(request),
  };
  const options = { pathPolicy: { maxPaths: 1 }, servers: [b.listener.url] };
  await using client = await dialWith({ transport, runtime: systemRuntime, agent: "test" }, a.listener.url, options);
  await a.next();
  isSwallowing = true;
  cluster.network.crash(a.address);
  await b.next();
  await expect.poll(() => paths(client)).toEqual([b.address]);
});

// spec: CLOSE-1
test("a suspended session can be closed at either end, at once, also while the other one comes back", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const [client, other] = [await cluster.dial(a), await cluster.dial(a, { limits: { graceMs: 1_000 } })];
  const [server, second] = [await a.next(), await a.next()];
  const stream = client.openStream();
  cluster.network.unplug(a.address);
  await expect.poll(() => [client, other, server, second].every((one) => one.stats().isSuspended)).toBe(true);
  await stream.write(bytes("never heard"));
  const waiting = codeOf(stream.read());
  // The line is back in the very moment in which one side ends.
  cluster.network.plug(a.address);
  await Promise.all([client.close(), second.close()]);
  expect(await waiting).toBe("NO_ERROR");
  expect(await codeOf(stream.write(bytes("x")))).toBe("NO_ERROR");
  await a.listener.close();
  for (const session of [server, second, other]) await session.closed;
});
