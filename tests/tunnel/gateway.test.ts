import { createSocket } from "node:dgram";
import { createServer, type AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Gateway } from "@kwik/gateway";
import { openTunnel, type TunnelRefusal, TunnelReset, tunnelDatagrams } from "@kwik/tunnel";
import { afterAll, expect, test } from "vitest";
import { bytes } from "../session/pair.ts";
import { TunnelBench } from "./gateway-pair.ts";

const folder = mkdtempSync(join(tmpdir(), "kwik-gateway-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function textOf(tunnel: { read(): Promise<Uint8Array | null> }): Promise<string> {
  let text = "";
  for (let data = await tunnel.read(); data !== null; data = await tunnel.read()) text += Buffer.from(data).toString("latin1");
  return text;
}

async function refusalOf(promise: Promise<unknown>): Promise<TunnelRefusal | undefined> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  return (error as { refusal?: TunnelRefusal }).refusal;
}

// spec: TUN-5, TUN-6
test("what is sent before the connection is there arrives, and half-close is kept", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target((socket) => {
    let got = "";
    socket.on("data", (data) => (got += data.toString()));
    socket.on("end", () => socket.end(`got ${got}`));
  });
  const { gateway, server } = await bench.gateway({ allow: [`127.0.0.1:${port}`] });
  const session = await bench.cluster.dial(server);
  const tunnel = await openTunnel(session, { kind: "tcp", host: "127.0.0.1", port });
  await tunnel.write(bytes("question"));
  void tunnel.close();
  expect(await textOf(tunnel)).toBe("got question");
  expect(await tunnel.connected).toMatchObject({ host: "127.0.0.1" });
  await gateway.drain(1_000);
  expect(gateway.stats()).toMatchObject({ connections: 0, connectedTotal: 1, sentBytes: 8, receivedBytes: 12 });
});

test("nothing is allowed by default, and each refusal has its reason", async () => {
  await using bench = new TunnelBench();
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const none = await bench.gateway();
  const some = await bench.gateway({
    allow: [`127.0.0.1:${port}`, "missing.example:1", "hangs.example:1"],
    unixSockets: { gone: join(folder, "gone.sock") },
    limits: { connectTimeoutMs: 60 },
    resolve: (name) => (name === "hangs.example" ? new Promise(() => undefined) : Promise.reject(new Error("no"))),
  });
  const first = await bench.cluster.dial(none.server);
  const second = await bench.cluster.dial(some.server);
  const outcome = async (session: typeof first, target: Parameters<typeof openTunnel>[1]): Promise<TunnelRefusal | undefined> =>
    refusalOf((await openTunnel(session, target)).connected);
  expect(await outcome(first, { kind: "tcp", host: "127.0.0.1", port })).toBe("not-allowed");
  expect(await outcome(first, { kind: "unix", name: "gone" })).toBe("not-allowed");
  expect(await outcome(first, { kind: "udp" })).toBe("not-supported");
  expect(await outcome(second, { kind: "tcp", host: "127.0.0.1", port })).toBe("connection-refused");
  expect(await outcome(second, { kind: "tcp", host: "missing.example", port: 1 })).toBe("name-not-found");
  expect(await outcome(second, { kind: "tcp", host: "hangs.example", port: 1 })).toBe("timed-out");
  expect(await outcome(second, { kind: "unix", name: "gone" })).toBe("connection-refused");
  expect(some.gateway.stats()).toMatchObject({
    connections: 0,
    refusedTotal: { "connection-refused": 2, "name-not-found": 1, "timed-out": 1 },
  });
});

test("limits per client and in all hold, and what ends makes room", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target(() => undefined);
  const { server, gateway } = await bench.gateway({ allow: ["127.0.0.1:*"], limits: { maxConnectionsPerClient: 2 } });
  const session = await bench.cluster.dial(server);
  const open = () => openTunnel(session, { kind: "tcp", host: "127.0.0.1", port });
  const [first, second] = [await open(), await open()];
  await Promise.all([first.connected, second.connected]);
  const third = await open();
  expect(await refusalOf(third.connected)).toBe("limit");
  first.abort(TunnelReset.cancelled);
  await expect.poll(() => gateway.stats().connections).toBe(1);
  await (await open()).connected;
});

// spec: TUN-6
test("a silent connection ends after the idle time, a half-closed one after its own", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target(() => undefined);
  const { server } = await bench.gateway({ allow: ["127.0.0.1:*"], limits: { idleTimeoutMs: 50 } });
  const half = await bench.gateway({ allow: ["127.0.0.1:*"], limits: { halfCloseTimeoutMs: 50 } });
  const target = { kind: "tcp", host: "127.0.0.1", port } as const;
  const silent = await openTunnel(await bench.cluster.dial(server), target);
  await expect(silent.read()).rejects.toMatchObject({ errorCode: TunnelReset.idle });
  const ended = await openTunnel(await bench.cluster.dial(half.server), target);
  void ended.close().catch(() => undefined);
  await expect(ended.read()).rejects.toMatchObject({ errorCode: TunnelReset.idle });
});

test("a target that breaks off, and a client that does, break off the other", async () => {
  await using bench = new TunnelBench();
  const broken = Promise.withResolvers<string>();
  const port = await bench.target((socket) => {
    socket.once("data", (data) => {
      if (data.toString() === "break") socket.resetAndDestroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => broken.resolve(error.code ?? ""));
  });
  const { server, gateway } = await bench.gateway({ allow: ["127.0.0.1:*"] });
  const session = await bench.cluster.dial(server);
  const target = { kind: "tcp", host: "127.0.0.1", port } as const;
  const first = await openTunnel(session, target);
  await first.write(bytes("break"));
  await expect(first.read()).rejects.toMatchObject({ errorCode: TunnelReset.broken });
  const second = await openTunnel(session, target);
  await second.connected;
  second.abort(TunnelReset.cancelled);
  expect(await broken.promise).toBe("ECONNRESET");
  await expect.poll(() => gateway.stats().connections).toBe(0);
});

test("a target that is to be told its client gets the header of the PROXY protocol first", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target((socket) => socket.pipe(socket));
  const { server } = await bench.gateway({ allow: ["127.0.0.1:*"], proxyProtocol: [`127.0.0.1:${port}`] });
  const tunnel = await openTunnel(await bench.cluster.dial(server), { kind: "tcp", host: "127.0.0.1", port });
  await tunnel.write(bytes("payload"));
  void tunnel.close();
  const echoed = Buffer.from(await textOf(tunnel), "latin1");
  const source = `cb0071097f0000019c40${port.toString(16).padStart(4, "0")}`;
  expect(echoed.toString("hex")).toBe(`0d0a0d0a000d0a515549540a2111000c${source}${Buffer.from("payload").toString("hex")}`);
});

test("a unix socket is reached by its name", async () => {
  await using bench = new TunnelBench();
  const path = join(folder, "app.sock");
  const app = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => app.listen(path, resolve));
  const { server } = await bench.gateway({ unixSockets: { app: path } });
  const tunnel = await openTunnel(await bench.cluster.dial(server), { kind: "unix", name: "app" });
  await tunnel.write(bytes("hello"));
  void tunnel.close();
  expect(await textOf(tunnel)).toBe("hello");
  expect(await tunnel.connected).toBeUndefined();
  await new Promise((resolve) => app.close(resolve));
});

// spec: TUN-7, TUN-8, TUN-9
test("an association sends and receives, to allowed targets only, and ends with its stream or its idle time", async () => {
  await using bench = new TunnelBench();
  const echo = createSocket("udp4", (message, from) => echo.send(`got ${message.toString()}`, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(0, "127.0.0.1", resolve));
  const { port } = echo.address();
  const { server, gateway } = await bench.gateway({
    allow: [`udp/127.0.0.1:${port}`, `udp/echo.example:${port}`],
    resolve: () => Promise.resolve(["127.0.0.1"]),
    limits: { udpIdleTimeoutMs: 300 },
  });
  const session = await bench.cluster.dial(server);
  const tunnel = await openTunnel(session, { kind: "udp" });
  const answers: string[] = [];
  const datagrams = tunnelDatagrams(session);
  datagrams.attach(tunnel.id, ({ address, payload }) => answers.push(`${address.host}:${address.port} ${Buffer.from(payload).toString()}`));
  await tunnel.connected;
  datagrams.send(tunnel.id, { address: { host: "127.0.0.1", port }, payload: bytes("one") });
  datagrams.send(tunnel.id, { address: { host: "echo.example", port }, payload: bytes("two") });
  datagrams.send(tunnel.id, { address: { host: "127.0.0.1", port: port === 9 ? 10 : 9 }, payload: bytes("forbidden") });
  await expect.poll(() => answers.length).toBe(2);
  expect(answers.sort()).toEqual([`127.0.0.1:${port} got one`, `127.0.0.1:${port} got two`]);
  expect(gateway.stats()).toMatchObject({ associations: 1, droppedDatagrams: 1, sentBytes: 6, receivedBytes: 14 });
  // Nothing moves any more.
  expect(await tunnel.read()).toBeNull();
  await expect.poll(() => gateway.stats().associations).toBe(0);
  const second = await openTunnel(session, { kind: "udp" });
  await second.connected;
  second.abort(TunnelReset.cancelled);
  await expect.poll(() => gateway.stats().associations).toBe(0);
  echo.close();
});

test("a gateway that drains refuses what is new, waits for what is open, and breaks off the rest", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target((socket) => socket.pipe(socket));
  const { server, gateway } = await bench.gateway({ allow: ["127.0.0.1:*"] });
  const session = await bench.cluster.dial(server);
  const target = { kind: "tcp", host: "127.0.0.1", port } as const;
  const finishing = await openTunnel(session, target);
  const hanging = await openTunnel(session, target);
  await Promise.all([finishing.connected, hanging.connected]);
  const drained = gateway.drain(200);
  expect(await refusalOf((await openTunnel(session, target)).connected)).toBe("draining");
  await finishing.write(bytes("still works"));
  void finishing.close();
  expect(await textOf(finishing)).toBe("still works");
  await expect(hanging.read()).rejects.toMatchObject({ errorCode: TunnelReset.broken });
  await drained;
  expect(gateway.stats().connections).toBe(0);
  expect(() => new Gateway({ allow: ["nonsense"] })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("what was given up is nobody's failure: a client that leaves, and a gateway that drains, do not count against the target", async () => {
  await using bench = new TunnelBench();
  const { server, gateway, events } = await bench.gateway({
    allow: ["hangs.example:80"],
    resolve: () => new Promise(() => undefined),
  });
  const session = await bench.cluster.dial(server);
  const target = { kind: "tcp", host: "hangs.example", port: 80 } as const;
  const leaving = await openTunnel(session, target);
  await expect.poll(() => gateway.stats().connections).toBe(1);
  leaving.abort(TunnelReset.cancelled);
  await expect.poll(() => gateway.stats().connections).toBe(0);
  const staying = await openTunnel(session, target);
  await expect.poll(() => gateway.stats().connections).toBe(1);
  const drained = gateway.drain(50);
  expect(await refusalOf(staying.connected)).toBe("draining");
  await drained;
  expect(gateway.targets()).toEqual([]);
  expect(events.map(({ type }) => type)).toEqual(["closed", "refused"]);
  expect(gateway.stats().refusedTotal).toEqual({ draining: 1 });
});
