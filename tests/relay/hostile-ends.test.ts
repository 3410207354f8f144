import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type ClientSession, dialWith, systemRuntime } from "@kwik/core";
import { openTunnel } from "@kwik/tunnel";
import { afterEach, expect, test } from "vitest";
import { RelayBench, type TestRelay, transfer } from "./relay-bench.ts";

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

/** What a relay takes for a home, on the loopback; answers its port. */
async function target(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

function clientOf(relay: TestRelay): Promise<ClientSession> {
  return dialWith({ transport: relay.network.transport, runtime: systemRuntime, agent: "test" }, relay.listener.url);
}

/** Bytes that `write` takes until it stops for a while; fails beyond `limitBytes`. */
async function takenUntilStopped(write: () => Promise<number>, limitBytes: number): Promise<number> {
  let taken = 0;
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const stopped = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), 1_000);
    });
    const bytes = await Promise.race([write(), stopped]);
    clearTimeout(timer);
    if (bytes === undefined) return taken;
    taken += bytes;
    if (taken > limitBytes) throw new Error(`${taken} bytes were taken, and nobody reads them`);
  }
}

/** What the sockets of the system and the credit of a stream that nobody reads may hold, with room to spare. */
const HELD_BYTES = 24_000_000;

// spec: RELAY-6
test("a home that does not read stops the client, and costs others nothing", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const port = await target((socket) => socket.pause());
  const relay = await bench.relay([home], { homes: [home.address, `127.0.0.1:${port}`] });
  const stuck = await openTunnel(await clientOf(relay), { kind: "link", host: "127.0.0.1", port });
  await stuck.connected;
  const block = new Uint8Array(100_000);
  await takenUntilStopped(() => stuck.write(block).then(() => block.length), HELD_BYTES);
  const client = await bench.dial(home, { relays: [relay.options] });
  const server = await home.next();
  await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active"]);
  bench.line.connections.at(-1)?.setShape("both", { isBlackhole: true });
  await transfer(client, server, 3_000_000);
});

// spec: RELAY-6
test("a home that sends without end is stopped by a client that does not read", async () => {
  await using bench = new RelayBench();
  const block = Buffer.alloc(100_000);
  const connected = Promise.withResolvers<Socket>();
  const port = await target(connected.resolve);
  const relay = await bench.relay([], { homes: [`127.0.0.1:${port}`], limits: { idleTimeoutMs: 3_000 } });
  const tunnel = await openTunnel(await clientOf(relay), { kind: "link", host: "127.0.0.1", port });
  await tunnel.connected;
  const socket = await connected.promise;
  const write = (): Promise<number> => new Promise((resolve) => socket.write(block, () => resolve(block.length)));
  const sent = await takenUntilStopped(write, HELD_BYTES);
  expect(relay.relay.stats().receivedBytes).toBeLessThanOrEqual(sent + block.length);
  // Neither of them can keep the link by doing nothing.
  socket.destroy();
  await expect.poll(() => relay.relay.stats().links).toBe(0);
  expect(relay.events.at(-1)).toMatchObject({ type: "link-closed", end: "idle" });
});

// spec: RELAY-10
test("a client that asks without end gets its links and no more, and others theirs", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  let most = 0;
  const port = await target(() => {
    most = Math.max(most, sockets.size);
  });
  const authenticate = ({ token }: { token: string | undefined }) => ({ ok: true as const, identity: token ?? "client" });
  const relay = await bench.relay(
    [home],
    { homes: [home.address, `127.0.0.1:${port}`], limits: { maxLinksPerClient: 8 } },
    {},
    { authenticate },
  );
  const greedy = await dialWith({ transport: relay.network.transport, runtime: systemRuntime, agent: "test" }, relay.listener.url, {
    credentials: { token: "greedy" },
  });
  const asked = await Promise.all(
    Array.from({ length: 300 }, () => openTunnel(greedy, { kind: "link", host: "127.0.0.1", port }).then((tunnel) => tunnel.connected)).map(
      (connected) => connected.then(() => "connected").catch((error: unknown) => (error as { refusal: string }).refusal),
    ),
  );
  expect(asked.filter((outcome) => outcome === "connected")).toHaveLength(8);
  expect(asked.filter((outcome) => outcome === "limit")).toHaveLength(292);
  await expect.poll(() => most).toBe(8);
  const client = await bench.dial(home, { relays: [relay.options] });
  const server = await home.next();
  await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active"]);
  await transfer(client, server, 1_000_000);
});

// spec: TUN-2
test("garbage, half requests and silence on streams end these streams alone", async () => {
  await using bench = new RelayBench();
  bench.requestTimeoutMs = 300;
  const home = await bench.home();
  const relay = await bench.relay([home]);
  const session = await clientOf(relay);
  const endOf = async (bytes: Uint8Array): Promise<string> => {
    const stream = await session.openStreamSync();
    await stream.write(bytes);
    try {
      const answer = await stream.read();
      return answer === null ? "ended" : `status ${answer[0]}`;
    } catch (error) {
      return `reset ${(error as { errorCode: number }).errorCode}`;
    }
  };
  const garbage = Array.from({ length: 200 }, (_, i) => endOf(Buffer.alloc(40 + i, i)));
  expect(new Set(await Promise.all(garbage))).toEqual(new Set(["status 1"]));
  const request = [0x4b, 0x54, 0x01, 0x03, 0x00, 0x0c];
  expect(await endOf(Uint8Array.from([...request, 9]))).toBe("reset 33");
  expect(await endOf(Uint8Array.from([0x4b, 0x54, 0x01, 0x03, 0xff, 0xff]))).toBe("status 1");
  expect(await endOf(Uint8Array.from([0x4b, 0x54, 0x01, 0x04, 0x00, 0x00]))).toBe("status 9");
  expect(relay.relay.stats()).toMatchObject({ links: 0, openedTotal: 0 });
  const client = await bench.dial(home, { relays: [relay.options] });
  await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active"]);
});

test("a client that says nothing on its link is ended by the home, and what is no TLS too", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const relay = await bench.relay([home]);
  const session = await clientOf(relay);
  const [host, port] = ["127.0.0.1", Number(home.address.split(":")[1])];
  const noise = await openTunnel(session, { kind: "link", host, port });
  await noise.write(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await expect(readToEnd(noise)).resolves.toBeDefined();
  // The home gives a handshake five seconds.
  const silent = await openTunnel(session, { kind: "link", host, port });
  await silent.connected;
  await readToEnd(silent);
  await expect.poll(() => relay.relay.stats().links).toBe(0);
});

/** Reads until the stream is over, in whichever way. */
async function readToEnd(tunnel: { read(): Promise<Uint8Array | null> }): Promise<string> {
  try {
    while ((await tunnel.read()) !== null);
    return "ended";
  } catch {
    return "broken off";
  }
}
