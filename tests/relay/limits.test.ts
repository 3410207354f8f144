import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type ClientSession, dialWith, systemRuntime } from "@kwik/core";
import { openTunnel, type Tunnel, type TunnelRefusal, TunnelReset } from "@kwik/tunnel";
import { afterEach, expect, test } from "vitest";
import { RelayBench, type TestRelay, transfer } from "./relay-bench.ts";

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  for (const socket of sockets) socket.destroy();
});

/** What a relay takes for a home, on the loopback; answers its port. */
async function target(serve: (socket: Socket) => void = () => undefined): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

/** A client of a relay that asks it by hand. */
function clientOf(relay: TestRelay): Promise<ClientSession> {
  return dialWith({ transport: relay.network.transport, runtime: systemRuntime, agent: "test" }, relay.listener.url);
}

const link = (session: ClientSession, port: number, host = "127.0.0.1"): Promise<Tunnel> =>
  openTunnel(session, { kind: "link", host, port });

async function outcome(tunnel: Promise<Tunnel>): Promise<TunnelRefusal | "connected"> {
  try {
    await (await tunnel).connected;
    return "connected";
  } catch (error) {
    return (error as { refusal: TunnelRefusal }).refusal;
  }
}

// spec: RELAY-4
test("nothing is a home by default, and names lead only where they may", async () => {
  await using bench = new RelayBench();
  const port = await target();
  const none = await clientOf(await bench.relay([]));
  expect(await outcome(link(none, port))).toBe("not-allowed");
  const resolved: string[] = [];
  const resolve = (name: string): Promise<readonly string[]> => {
    resolved.push(name);
    return Promise.resolve(name === "public.example" ? ["192.0.2.1", "127.0.0.1"] : ["127.0.0.1"]);
  };
  const homes = [`home.example:${port}`, `public.example:${port}`];
  const named = await clientOf(await bench.relay([], { homes, resolve }));
  // A name may not be pointed at the relay's own network.
  expect(await outcome(link(named, port, "home.example"))).toBe("not-allowed");
  expect(await outcome(link(named, port, "public.example"))).toBe("not-allowed");
  expect(await outcome(link(named, port, "other.example"))).toBe("not-allowed");
  expect(await outcome(link(named, port))).toBe("not-allowed");
  expect(resolved).toEqual(["home.example", "public.example"]);
  const both = await clientOf(await bench.relay([], { homes: [...homes, `127.0.0.1:${port}`], resolve }));
  expect(await outcome(link(both, port, "home.example"))).toBe("connected");
  expect(await outcome(link(both, port + 1))).toBe("not-allowed");
});

// spec: RELAY-4
test("a relay carries no link to itself", async () => {
  await using bench = new RelayBench();
  const port = await target();
  const relay = await bench.relay([], { homes: ["127.0.0.1:*", "localhost:*"] });
  const session = await clientOf(relay);
  expect(await outcome(link(session, port, "localhost"))).toBe("connected");
  relay.relay.listensAt({ host: "0.0.0.0", port });
  expect(await outcome(link(session, port, "localhost"))).toBe("not-allowed");
  expect(await outcome(link(session, port))).toBe("not-allowed");
  expect(relay.events.at(-1)).toMatchObject({ type: "link-refused", refusal: "not-allowed", reason: "that is this relay" });
});

test("each failure to reach a home has its status", async () => {
  await using bench = new RelayBench();
  const port = await target();
  const relay = await bench.relay([], {
    homes: [`127.0.0.1:${port}`, "missing.example:1", "hangs.example:1"],
    limits: { connectTimeoutMs: 60 },
    resolve: (name) => (name === "hangs.example" ? new Promise(() => undefined) : Promise.reject(new Error("no"))),
  });
  const session = await clientOf(relay);
  expect(await outcome(link(session, 1, "missing.example"))).toBe("name-not-found");
  expect(await outcome(link(session, 1, "hangs.example"))).toBe("timed-out");
  await new Promise((resolve) => servers[0]?.close(resolve));
  expect(await outcome(link(session, port))).toBe("connection-refused");
  expect(await outcome(openTunnel(session, { kind: "tcp", host: "127.0.0.1", port }))).toBe("not-allowed");
  expect(relay.relay.stats()).toMatchObject({
    links: 0,
    openedTotal: 0,
    refusedTotal: { "name-not-found": 1, "timed-out": 1, "connection-refused": 1 },
  });
});

test("a client that gives up while its home is looked for takes no room any more, and nothing is connected for it", async () => {
  await using bench = new RelayBench();
  const asked: string[] = [];
  const resolve = (name: string): Promise<readonly string[]> => {
    asked.push(name);
    return new Promise(() => undefined);
  };
  const limits = { maxLinks: 1, connectTimeoutMs: 600_000 };
  const relay = await bench.relay([], { homes: ["hangs.example:1"], limits, resolve });
  const session = await clientOf(relay);
  const given = await link(session, 1, "hangs.example");
  await expect.poll(() => asked).toHaveLength(1);
  given.abort(TunnelReset.cancelled);
  await expect
    .poll(() => relay.events)
    .toMatchObject([{ type: "link-closed", home: "hangs.example:1", sentBytes: 0, end: "tunnel-broken" }]);
  const next = link(session, 1, "hangs.example");
  await expect.poll(() => asked).toHaveLength(2);
  await relay.relay.drain(0);
  expect(await outcome(next)).toBe("draining");
  expect(relay.relay.stats()).toMatchObject({ links: 0, openedTotal: 0, refusedTotal: { draining: 1 } });
});

// spec: RELAY-10
test("links are limited per client and in all, over all sessions of a client, and what ends makes room", async () => {
  await using bench = new RelayBench();
  const port = await target();
  const authenticate = ({ token }: { token: string | undefined }) => ({ ok: true as const, identity: token ?? "nobody" });
  const limits = { maxLinks: 3, maxLinksPerClient: 2 };
  const relay = await bench.relay([], { homes: [`127.0.0.1:${port}`], limits }, {}, { authenticate, limits: { graceMs: 0 } });
  const as = (token: string): Promise<ClientSession> =>
    dialWith({ transport: relay.network.transport, runtime: systemRuntime, agent: "test" }, relay.listener.url, { credentials: { token } });
  const [ann, again, bob] = [await as("ann"), await as("ann"), await as("bob")];
  const first = await link(ann, port);
  expect(await first.connected).toBeDefined();
  expect(await outcome(link(again, port))).toBe("connected");
  expect(await outcome(link(ann, port))).toBe("limit");
  expect(await outcome(link(bob, port))).toBe("connected");
  expect(await outcome(link(bob, port))).toBe("limit");
  expect(relay.relay.stats()).toMatchObject({ links: 3, openedTotal: 3, refusedTotal: { limit: 2 } });
  expect(relay.relay.clients()).toMatchObject([
    { client: "ann", links: 2 },
    { client: "bob", links: 1 },
  ]);
  first.abort(TunnelReset.cancelled);
  await expect.poll(() => relay.relay.stats().links).toBe(2);
  expect(await outcome(link(bob, port))).toBe("connected");
  // A session that breaks off takes its links along.
  for (const connection of relay.network.connections) connection.kill();
  await Promise.all([ann, again, bob].map((session) => session.closeWithError(0, "")));
  await expect.poll(() => relay.relay.stats().links).toBe(0);
});

// spec: RELAY-10
test("a relay that drains takes no new links, lets those that are open go on for a while, and then breaks them off", async () => {
  await using bench = new RelayBench();
  const port = await target((socket) => socket.pipe(socket));
  const relay = await bench.relay([], { homes: [`127.0.0.1:${port}`] });
  const session = await clientOf(relay);
  const open = await link(session, port);
  await open.connected;
  const drained = relay.relay.drain(300);
  expect(await outcome(link(session, port))).toBe("draining");
  await open.write(Buffer.from("still here"));
  expect(Buffer.from((await open.read()) ?? []).toString()).toBe("still here");
  await drained;
  await expect(open.read()).rejects.toMatchObject({ errorCode: TunnelReset.broken });
  expect(relay.relay.stats().links).toBe(0);
});

// spec: RELAY-7
test("a link in which nothing moves ends, and so does one that has lost a direction", async () => {
  await using bench = new RelayBench();
  const port = await target();
  const limits = { idleTimeoutMs: 200, halfCloseTimeoutMs: 100 };
  const relay = await bench.relay([], { homes: [`127.0.0.1:${port}`], limits });
  const session = await clientOf(relay);
  const idle = await link(session, port);
  await expect(idle.read()).rejects.toMatchObject({ errorCode: TunnelReset.idle });
  const half = await link(session, port);
  await half.connected;
  half.close().catch(() => undefined);
  await expect(half.read()).rejects.toMatchObject({ errorCode: TunnelReset.idle });
  await expect.poll(() => relay.events.filter(({ type }) => type === "link-closed")).toMatchObject([{ end: "idle" }, { end: "idle" }]);
});

test("what is carried is counted as it passes, for each client, and no faster than the operator allows", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const waits: [string, number][] = [];
  const relay = await bench.relay([home], {
    pace: (client, bytes) => {
      waits.push([client, bytes]);
      return Promise.resolve();
    },
  });
  const client = await bench.dial(home, { relays: [relay.options] });
  const server = await home.next();
  await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active"]);
  bench.line.connections.at(-1)?.setShape("both", { isBlackhole: true });
  await transfer(client, server, 2_000_000);
  const up = relay.relay.stats();
  expect(up.sentBytes).toBeGreaterThan(2_000_000);
  expect(up.sentBytes).toBeLessThan(2_400_000);
  expect(up.receivedBytes).toBeLessThan(200_000);
  await transfer(server, client, 2_000_000);
  const { links, sentBytes, receivedBytes } = relay.relay.stats();
  expect(links).toBe(1);
  expect(receivedBytes).toBeGreaterThan(2_000_000);
  expect(relay.relay.clients()).toEqual([{ client: "client", links: 1, openedTotal: 1, sentBytes, receivedBytes }]);
  expect(waits.every(([name]) => name === "client")).toBe(true);
  expect(waits.reduce((sum, [, bytes]) => sum + bytes, 0)).toBe(sentBytes + receivedBytes);
});
