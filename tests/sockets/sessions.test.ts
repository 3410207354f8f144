import { once } from "node:events";
import { listenWith, systemRuntime } from "@kwik/core";
import { IDLE_SESSION_MS, type KwikSocket, netOver } from "@kwik/sockets";
import { firstDifference, patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { bytes, TestCluster } from "../session/pair.ts";
import { eventsOf, textOf } from "./worlds.ts";

type Net = ReturnType<typeof netOver>;

/** Sockets over the memory transport; `dials` counts sessions. */
function netOf(cluster: TestCluster, server: Awaited<ReturnType<TestCluster["serve"]>>): Net & { dials: number } {
  const net = Object.assign(
    netOver({
      dial: (_target, options) => {
        net.dials += 1;
        return cluster.dial(server, options);
      },
      listen: (address, options) =>
        listenWith(
          {
            transport: cluster.network.transport,
            runtime: systemRuntime,
            agent: "test",
            tls: { cert: "", key: "" },
            identity: "",
            authority: undefined,
          },
          address,
          options,
        ),
    }),
    { dials: 0 },
  );
  return net;
}

test("connections with equal options share a session; another token is another session", async () => {
  await using cluster = new TestCluster();
  const served = await cluster.serve();
  const net = netOf(cluster, served);
  const server = net.createServer((socket) => socket.pipe(socket));
  server.listen({ listener: served.listener });
  const open = (token: string): KwikSocket => net.connect({ server: served.listener.url, dial: { credentials: { token } } });
  const sockets = [open("a"), open("a"), open("b")];
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  expect(net.dials).toBe(2);
  for (const socket of sockets) socket.destroy();
  // What idles is closed, and the next connection dials anew.
  await expect.poll(() => served.listener.stats().sessions, { timeout: IDLE_SESSION_MS * 4 }).toBe(0);
  const again = open("a");
  again.end("x");
  expect(await textOf(again)).toBe("x");
  expect(net.dials).toBe(3);
});

test("a dial is given up when its last socket is destroyed, and not before", async () => {
  const dials: { aborted: boolean; done: PromiseWithResolvers<never> }[] = [];
  const net = netOver({
    dial: (_target, options) => {
      const dial = { aborted: false, done: Promise.withResolvers<never>() };
      options?.signal?.addEventListener("abort", () => {
        dial.aborted = true;
        dial.done.reject(new Error("given up"));
      });
      dials.push(dial);
      return dial.done.promise;
    },
    listen: () => Promise.reject(new Error("nobody listens")),
  });
  const abort = new AbortController();
  const open = (signal?: AbortSignal): KwikSocket =>
    net.connect({ server: "kwik://nowhere.example", dial: signal === undefined ? {} : { signal } });
  const [first, second] = [open(abort.signal), open()];
  for (const socket of [first, second]) socket.on("error", () => undefined);
  await new Promise(setImmediate);
  first.destroy();
  abort.abort();
  await new Promise(setImmediate);
  expect(dials.map(({ aborted }) => aborted)).toEqual([false]);
  second.destroy();
  await new Promise(setImmediate);
  expect(dials.map(({ aborted }) => aborted)).toEqual([true]);
  const third = open().on("error", () => undefined);
  await new Promise(setImmediate);
  expect(dials).toHaveLength(2);
  third.destroy();
});

test("sockets on a session of the program's own leave it open", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const net = netOver({ dial: () => Promise.reject(new Error("no dial is needed")), listen: () => Promise.reject(new Error("nor this")) });
  const socket = net.connect({ server: client });
  await once(socket, "connect");
  // A plain stream is at the other end: whoever speaks first.
  const stream = await server.acceptStream();
  await stream.write(bytes("hello"));
  socket.resume();
  expect(String((await once(socket, "data"))[0])).toBe("hello");
  socket.destroy();
  expect(await stream.read()).toBeNull();
  expect(client.openStream().id).toBeDefined();
});

test("a socket outlives a path that is killed in the middle", async () => {
  await using cluster = new TestCluster({ shape: { bytesPerSecond: 20_000_000, delayMs: 2 } });
  const served = await cluster.serve();
  const net = netOf(cluster, served);
  const client = await cluster.dial(served);
  const session = await served.next();
  await session.addPath(served.listener.url, { identity: served.identity });
  const socket = net.connect({ server: client });
  const stream = await session.acceptStream();
  const sent = 4_000_000;
  void (async () => {
    for (let at = 0; at < sent; at += 100_000) await stream.write(patternBytes(5, at, 100_000));
    await stream.close();
  })();
  let got = 0;
  for await (const part of socket) {
    expect(firstDifference(5, got, part as Buffer)).toBeUndefined();
    if (got < sent / 2 && got + (part as Buffer).length >= sent / 2) cluster.network.connections[0]?.kill();
    got += (part as Buffer).length;
  }
  expect(got).toBe(sent);
  expect(client.stats().paths.map((path) => path.state)).toContain("dead");
});

test("a session that ends breaks its sockets off with ECONNRESET, the KwikError as cause", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const net = netOver({ dial: () => Promise.reject(new Error("no dial is needed")), listen: () => Promise.reject(new Error("nor this")) });
  const socket = net.connect({ server: client });
  await once(socket, "connect");
  const failed = once(socket, "error");
  await server.closeWithError(7, "enough");
  expect((await failed)[0]).toMatchObject({ code: "ECONNRESET", cause: { code: "APPLICATION", reason: "enough" } });
});

test("a session that ends after the other side's end is no error for a socket that has ended too", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const net = netOver({ dial: () => Promise.reject(new Error("no dial is needed")), listen: () => Promise.reject(new Error("nor this")) });
  const socket = net.connect({ server: client, allowHalfOpen: true });
  await once(socket, "connect");
  const stream = await server.acceptStream();
  void stream.close();
  await textOf(socket);
  cluster.network.connections[0]?.setShape("to-client", { delayMs: 60_000 });
  socket.end("nobody says that this came");
  expect(socket.writableFinished).toBe(false);
  const closed = once(socket, "close");
  await client.closeWithError(1, "enough");
  expect(await closed).toEqual([false]);
});

test("a socket whose ends are both there is over, though the other side has not said yet that it has everything", async () => {
  await using cluster = new TestCluster();
  const served = await cluster.serve();
  const net = netOf(cluster, served);
  const accepted: KwikSocket[] = [];
  const server = net.createServer((socket) => accepted.push(socket.resume())).listen({ listener: served.listener });
  const near = net.connect({ server: served.listener.url });
  near.resume().write("x");
  await expect.poll(() => accepted[0]?.bytesRead).toBe(1);
  const far = accepted[0] as KwikSocket;
  const events = eventsOf(far, ["end", "finish", "error", "close"]);
  // Whatever this side says from now on takes its time.
  cluster.network.connections[0]?.setShape("to-client", { delayMs: 60_000 });
  near.end();
  await once(far, "end");
  await new Promise(setImmediate);
  expect(await new Promise((resolve) => far.write("late", resolve))).toMatchObject({ code: "ERR_STREAM_DESTROYED" });
  const count = (): Promise<number> => new Promise((resolve) => server.getConnections((_error, number) => resolve(number)));
  expect([await count(), events]).toEqual([0, ["end"]]);
  near.destroy();
});

test("destroy with writes that wait breaks off: the other side gets ECONNRESET, not a shorter text", async () => {
  await using cluster = new TestCluster();
  const served = await cluster.serve();
  const net = netOf(cluster, served);
  const server = net.createServer({ pauseOnConnect: true }).listen({ listener: served.listener });
  for (const error of [undefined, new Error("mine")]) {
    const accepted = once(server, "connection") as Promise<[KwikSocket]>;
    const socket = net.connect({ server: served.listener.url }).on("error", () => undefined);
    socket.write("begin");
    const [far] = await accepted;
    await expect.poll(() => socket.writableLength).toBe(0);
    for (let i = 0; i < 100; i += 1) socket.write(Buffer.alloc(100_000));
    socket.destroy(error);
    const failed = once(far, "error");
    far.resume();
    expect((await failed)[0]).toMatchObject({ code: "ECONNRESET", syscall: "read" });
  }
});

test("1000 sockets at once, opened and closed, leave nothing", { timeout: 60_000 }, async () => {
  await using cluster = new TestCluster();
  const served = await cluster.serve();
  const net = netOf(cluster, served);
  const server = net.createServer((socket) => socket.pipe(socket)).listen({ listener: served.listener });
  const sockets = Array.from({ length: 1000 }, () => net.connect({ server: served.listener.url }));
  const texts = await Promise.all(
    sockets.map((socket, index) => {
      socket.end(`number ${index}`);
      return textOf(socket);
    }),
  );
  expect(texts).toEqual(sockets.map((_socket, index) => `number ${index}`));
  await Promise.all(sockets.map(async (socket) => socket.closed || once(socket, "close")));
  expect(net.dials).toBe(1);
  const count = (): Promise<number> => new Promise((resolve) => server.getConnections((_error, number) => resolve(number)));
  await expect.poll(count).toBe(0);
  await expect.poll(() => served.listener.stats().sessions, { timeout: IDLE_SESSION_MS * 4 }).toBe(0);
});
