import { anyTransport, dialWith, formatAddress, KwikError, type Listener, listenWith, systemRuntime, type Transport } from "@kwik/core";
import { type MemoryNetwork, memoryNetwork, patternBytes } from "@kwik/testkit";
import { afterEach, expect, test } from "vitest";
import { TestCluster } from "./pair.ts";

const IDENTITY = `sha256:${"1".repeat(64)}`;
const ADDRESS = "127.0.0.1:4000";
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** One server on two networks, as on the same port over UDP and TCP. */
async function serve(...networks: readonly MemoryNetwork[]): Promise<Listener> {
  const transport = anyTransport(networks.map((network) => network.transport));
  const listener = await listenWith(
    { transport, runtime: systemRuntime, agent: "test", tls: { cert: IDENTITY, key: "" }, identity: IDENTITY, authority: undefined },
    ADDRESS,
    { tls: "self-signed" },
  );
  closing.push(() => listener.close());
  return listener;
}

async function dial(networks: readonly MemoryNetwork[], options: Parameters<typeof dialWith>[2] = {}) {
  const transport = anyTransport(networks.map((network) => network.transport));
  const session = await dialWith({ transport, runtime: systemRuntime, agent: "test" }, `kwik://${ADDRESS}`, options);
  closing.push(() => session.close());
  return session;
}

// spec: PATH-5
test("where one transport falls silent in mid-session, the server is reached over another, and its streams go on", async () => {
  const networks = [memoryNetwork({ name: "quic" }), memoryNetwork({ name: "tcp" })];
  const [quic, tcp] = networks as [MemoryNetwork, MemoryNetwork];
  const listener = await serve(quic, tcp);
  const client = await dial(networks);
  const server = await listener.accept();
  expect([quic.connections.length, tcp.connections.length]).toEqual([1, 0]);
  const data = patternBytes(1, 0, 4_000_000);
  const stream = server.openUniStream();
  void (async () => {
    for (let at = 0; at < data.length; at += 50_000) await stream.write(data.subarray(at, at + 50_000));
    await stream.close();
  })();
  const incoming = await client.acceptUniStream();
  const got: Uint8Array[] = [];
  let total = 0;
  let transportsAtHalf: string[] = [];
  for await (const piece of incoming) {
    got.push(piece);
    total += piece.length;
    if (total > data.length / 2 && transportsAtHalf.length === 0) {
      transportsAtHalf = client.stats().paths.map((path) => path.transport);
      quic.connections[0]?.setShape("both", { isBlackhole: true });
    }
  }
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
  expect(transportsAtHalf).toEqual(["quic"]);
  expect(client.stats().paths).toMatchObject([
    { transport: "quic", transportChoice: "race" },
    { transport: "tcp", transportChoice: "fallback" },
  ]);
  expect(tcp.connections).toHaveLength(1);
});

test("when the silent transport is heard again, the other one is taken out", async () => {
  const networks = [memoryNetwork({ name: "quic" }), memoryNetwork({ name: "tcp" })];
  const [quic, tcp] = networks as [MemoryNetwork, MemoryNetwork];
  const listener = await serve(quic, tcp);
  // Not given up so soon, so that it can come back.
  const client = await dial(networks, { limits: { minDeadAfterMs: 20_000 } });
  const server = await listener.accept();
  const events: string[] = [];
  const states = () => client.stats().paths.map((path) => `${path.transport} ${path.state}`);
  void (async () => {
    for await (const event of client.events())
      if ("path" in event && event.path !== undefined) events.push(`${event.path.transport} ${event.type}`);
  })();
  const stream = client.openStream();
  await stream.write(Uint8Array.of(1));
  quic.connections[0]?.setShape("both", { isBlackhole: true });
  await stream.write(Uint8Array.of(2));
  await expect.poll(states).toEqual(["quic degraded", "tcp active"]);
  await stream.write(Uint8Array.of(3));
  quic.connections[0]?.setShape("both", { isBlackhole: false });
  await expect.poll(states).toEqual(["quic active", "tcp closed"]);
  await stream.write(Uint8Array.of(4));
  await stream.close();
  const got: number[] = [];
  for await (const data of await server.acceptStream()) got.push(...data);
  expect(got).toEqual([1, 2, 3, 4]);
  expect(events).not.toContain("tcp path-dead");
});

// spec: PATH-5
test("the transport that fell silent is tried again beside its fallback, and the session returns to it without its streams noticing", async () => {
  const networks = [memoryNetwork({ name: "quic" }), memoryNetwork({ name: "tcp" })];
  const [quic, tcp] = networks as [MemoryNetwork, MemoryNetwork];
  const listener = await serve(quic, tcp);
  const client = await dial(networks);
  const server = await listener.accept();
  const states = () => client.stats().paths.map((path) => `${path.transport} ${path.state}`);
  const stream = client.openStream();
  const sent: number[] = [];
  let isOver = false;
  const writing = (async () => {
    for (let i = 0; !isOver; i = (i + 1) % 256) {
      await stream.write(Uint8Array.of(i));
      sent.push(i);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await stream.close();
  })();
  quic.connections[0]?.setShape("both", { isBlackhole: true });
  await expect.poll(states).toEqual(["quic dead", "tcp active"]);
  await expect.poll(states).toEqual(["quic dead", "tcp closed", "quic active"]);
  expect(client.stats().paths[2]?.transportChoice).toBe("return");
  isOver = true;
  await writing;
  const got: number[] = [];
  for await (const data of await server.acceptStream()) got.push(...data);
  expect(got).toEqual(sent);
  expect(client.stats().paths[2]?.bytesSent).toBeGreaterThan(0);
}, 30_000);

test("a path that dies while its fallback is still being dialled leaves one path, not two", async () => {
  const networks = [memoryNetwork({ name: "quic" }), memoryNetwork({ name: "tcp", shape: { delayMs: 1_200 } })];
  const [quic, tcp] = networks as [MemoryNetwork, MemoryNetwork];
  await serve(quic, tcp);
  const client = await dial(networks);
  await client.openStream().write(Uint8Array.of(1));
  quic.connections[0]?.setShape("both", { isBlackhole: true });
  await client.openStream().write(Uint8Array.of(2));
  const states = () => client.stats().paths.map((path) => `${path.transport} ${path.state}`);
  await expect.poll(states).toEqual(["quic dead", "quic active"]);
  await expect.poll(() => tcp.connections.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(states()).toEqual(["quic dead", "quic active"]);
});

test("somebody else's service on the other transport's port does not end the redialling of a server that was in use", async () => {
  const quic = memoryNetwork({ name: "quic" });
  const tcp = memoryNetwork({ name: "tcp" });
  await serve(quic);
  const stranger = await tcp.transport.listen({
    address: { host: "127.0.0.1", port: 4000 },
    tls: { cert: `sha256:${"2".repeat(64)}`, key: "" },
    onLink: (link) =>
      link.attach({ onCarrier: () => undefined, onDatagram: () => undefined, onClose: () => undefined, onBatchEnd: () => undefined }),
  });
  closing.push(() => stranger.close());
  let isBlocked = false;
  const blockable: Transport = {
    ...quic.transport,
    dial: (request) => (isBlocked ? Promise.reject(new KwikError("UNREACHABLE", "blocked")) : quic.transport.dial(request)),
  };
  const transport = anyTransport([blockable, tcp.transport]);
  const client = await dialWith({ transport, runtime: systemRuntime, agent: "test" }, `kwik://${ADDRESS}`, { trust: { pins: [IDENTITY] } });
  closing.push(() => client.close());
  const failed: string[] = [];
  void (async () => {
    for await (const event of client.events()) if (event.type === "path-failed") failed.push(event.code);
  })();
  isBlocked = true;
  quic.connections[0]?.kill();
  await expect.poll(() => failed).toEqual(["NOT_TRUSTED"]);
  isBlocked = false;
  const states = () => client.stats().paths.map((path) => `${path.transport} ${path.state}`);
  await expect.poll(states).toEqual(["quic dead", "quic active"]);
});

test("there is no fallback beyond maxPaths", async () => {
  const networks = [memoryNetwork({ name: "quic" }), memoryNetwork({ name: "tcp" })];
  const [quic, tcp] = networks as [MemoryNetwork, MemoryNetwork];
  await serve(quic, tcp);
  const client = await dial(networks, { limits: { minDeadAfterMs: 3_000 }, pathPolicy: { maxPaths: 1 } });
  await client.openStream().write(Uint8Array.of(1));
  quic.connections[0]?.setShape("both", { isBlackhole: true });
  await client.openStream().write(Uint8Array.of(2));
  await expect.poll(() => client.stats().paths[0]?.state).toBe("degraded");
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(tcp.connections).toEqual([]);
});

// spec: PATH-8
test("what a server's host name resolves to is checked at each dial of it, and never for servers that the user named", async () => {
  await using cluster = new TestCluster();
  const [first, second] = [await cluster.serve(), await cluster.serve()];
  const dials: string[] = [];
  const transport: Transport = {
    ...cluster.network.transport,
    dial: (request) => {
      dials.push(`${formatAddress(request.address)} ${request.checkResolved !== undefined}`);
      return cluster.network.transport.dial(request);
    },
  };
  const client = await dialWith({ transport, runtime: systemRuntime, agent: "test" }, first.listener.url);
  closing.push(() => client.close());
  const primary = await first.next();
  await primary.addPath(second.address, { identity: second.identity });
  const asShould = [`${first.address} false`, `${second.address} true`];
  expect(dials).toEqual(asShould);
  for (const connection of cluster.network.connections.slice()) connection.kill();
  await expect.poll(() => new Set(dials.slice(asShould.length))).toEqual(new Set(asShould));
});

test("a transport that the user named is not replaced by another: its server is dialled again", async () => {
  const networks = [memoryNetwork({ name: "quic" }), memoryNetwork({ name: "tcp" })];
  const [quic, tcp] = networks as [MemoryNetwork, MemoryNetwork];
  await serve(quic, tcp);
  const client = await dial(networks, { transport: "quic" });
  const resumed = new Promise<void>((resolve) => {
    void (async () => {
      for await (const event of client.events()) if (event.type === "resumed") resolve();
    })();
  });
  await client.openStream().write(Uint8Array.of(1));
  quic.connections[0]?.setShape("both", { isBlackhole: true });
  await client.openStream().write(Uint8Array.of(2));
  await resumed;
  expect(client.stats().paths.map((path) => path.transport)).toEqual(["quic", "quic"]);
  expect(tcp.connections).toEqual([]);
});

test("where the preferred transport is not there at all, the other one carries the session", async () => {
  const networks = [memoryNetwork({ name: "quic" }), memoryNetwork({ name: "tcp" })];
  const listener = await serve(networks[1] as MemoryNetwork);
  const client = await dial(networks);
  expect(client.stats().paths.map((path) => path.transport)).toEqual(["tcp"]);
  expect((await listener.accept()).allPaths().filter((path) => path.local)).toMatchObject([{ transport: "tcp" }]);
});

test("each path says why it has its transport, to the client alone", async () => {
  const networks = [memoryNetwork({ name: "quic" }), memoryNetwork({ name: "tcp" })];
  const [quic] = networks as [MemoryNetwork];
  const listener = await serve(...networks);
  const transport = anyTransport(networks.map((network) => network.transport));
  const choice = async (through: Transport, target: string, options: Parameters<typeof dialWith>[2] = {}) => {
    const client = await dialWith({ transport: through, runtime: systemRuntime, agent: "test" }, target, options);
    closing.push(() => client.close());
    const server = await listener.accept();
    expect(server.allPaths().map((path) => path.transportChoice)).toEqual([undefined]);
    return client.stats().paths.map((path) => `${path.transport} ${path.transportChoice}`);
  };
  expect(await choice(transport, `kwik://${ADDRESS}`)).toEqual(["quic race"]);
  expect(await choice(transport, `kwik://${ADDRESS}`)).toEqual(["quic remembered"]);
  expect(await choice(transport, `kwik+tcp://${ADDRESS}`, { transport: "quic" })).toEqual(["tcp address"]);
  expect(await choice(transport, `kwik://${ADDRESS}`, { transport: "tcp" })).toEqual(["tcp option"]);
  expect(await choice(quic.transport, `kwik://${ADDRESS}`)).toEqual(["quic only"]);
});
