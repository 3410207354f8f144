import { connect, type Socket } from "node:net";
import { openTunnel, TunnelReset } from "@kwik/tunnel";
import { expect, test } from "vitest";
import { patternBytes } from "@kwik/testkit";
import { bytes } from "../session/pair.ts";
import { portOf, TunnelBench } from "./gateway-pair.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

async function client(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return socket;
}

// spec: TUN-6
test("an answer that comes before the request is whole arrives, though the target closes without reading the rest", async () => {
  await using bench = new TunnelBench({ bytesPerSecond: 2_000_000, delayMs: 10 });
  const answer = Buffer.from(patternBytes(3, 0, 200_000));
  let target: Socket | undefined;
  const port = await bench.target((socket) => {
    target = socket;
    socket.once("data", () => {
      socket.pause();
      socket.end(answer);
    });
  });
  const gateway = await bench.gateway({ allow: ["127.0.0.1:*"] });
  const proxy = await bench.proxy([gateway]);
  const local = await client(portOf(await proxy.forward(LOOPBACK, { kind: "tcp", host: "127.0.0.1", port })));
  const upload = setInterval(() => local.write(Buffer.alloc(50_000)), 1);
  const parts: Buffer[] = [];
  local.on("data", (part: Buffer) => parts.push(part));
  // The gateway has the target's end by then, and most of the answer is still under way: what is uploaded from now on meets a reset.
  local.once("data", () => target?.destroy());
  await new Promise((resolve) => local.once("end", resolve).once("close", resolve));
  clearInterval(upload);
  expect(Buffer.concat(parts).equals(answer)).toBe(true);
  expect(local.readableEnded).toBe(true);
  local.destroy();
  await expect.poll(() => proxy.stats().connections + gateway.gateway.stats().connections).toBe(0);
});

test("a slow reader gets everything of a target that has ended long ago", async () => {
  await using bench = new TunnelBench({ bytesPerSecond: 1_000_000, delayMs: 1 });
  const answer = Buffer.from(patternBytes(4, 0, 600_000));
  const port = await bench.target((socket) => socket.end(answer));
  const { server, gateway } = await bench.gateway({ allow: ["127.0.0.1:*"], limits: { halfCloseTimeoutMs: 50 } });
  const tunnel = await openTunnel(await bench.cluster.dial(server), { kind: "tcp", host: "127.0.0.1", port });
  const parts: Uint8Array[] = [];
  for (let data = await tunnel.read(); data !== null; data = await tunnel.read()) parts.push(data);
  expect(Buffer.concat(parts).equals(answer)).toBe(true);
  // From here on nothing moves.
  await expect.poll(() => gateway.stats().connections).toBe(0);
});

test("who stops reading still gets its end across, and what comes then is passed over", async () => {
  await using bench = new TunnelBench();
  let isSending = false;
  let got = "";
  const ended = Promise.withResolvers<string>();
  const port = await bench.target((socket) => {
    isSending = true;
    const send = (): void => {
      while (isSending && socket.write(Buffer.alloc(10_000)));
    };
    socket.on("drain", send).on("data", (data) => (got += data.toString()));
    socket.on("end", () => {
      isSending = false;
      socket.end();
      ended.resolve(got);
    });
    send();
  });
  const { server, gateway } = await bench.gateway({ allow: ["127.0.0.1:*"] });
  const tunnel = await openTunnel(await bench.cluster.dial(server), { kind: "tcp", host: "127.0.0.1", port });
  await tunnel.read();
  tunnel.stopReading(TunnelReset.cancelled);
  await tunnel.write(bytes("last words"));
  await tunnel.close();
  expect(await ended.promise).toBe("last words");
  await expect.poll(() => gateway.stats().connections).toBe(0);
});

test("a target that does not read holds the client back, and the proxy does not gather what it sends", async () => {
  await using bench = new TunnelBench();
  let target: Socket | undefined;
  const port = await bench.target((socket) => (target = socket.pause()));
  const gateway = await bench.gateway({ allow: ["127.0.0.1:*"] });
  const proxy = await bench.proxy([gateway]);
  const local = await client(portOf(await proxy.forward(LOOPBACK, { kind: "tcp", host: "127.0.0.1", port })));
  const block = Buffer.alloc(1 << 20);
  let sent = 0;
  for (;;) {
    const isTaken = new Promise<boolean>((resolve) => local.write(block, () => resolve(true)));
    const isStuck = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 1_000));
    if (!(await Promise.race([isTaken, isStuck]))) break;
    sent += block.length;
    expect(sent).toBeLessThan(200 << 20);
  }
  // Sockets of the system hold some MiB each; kwik's own part is its windows.
  const held = [proxy.session, gateway.sessions[0]].map((session) => session?.stats().sendBufferBytes ?? 0);
  for (const bytesHeld of held) expect(bytesHeld).toBeLessThan(20 << 20);
  target?.destroy();
  await expect.poll(() => proxy.stats().connections + gateway.gateway.stats().connections).toBe(0);
});

test("a client that gives up while the gateway connects ends the attempt", async () => {
  await using bench = new TunnelBench();
  const resolving = Promise.withResolvers<void>();
  const { server, gateway } = await bench.gateway({
    allow: ["hangs.example:80"],
    resolve: () => {
      resolving.resolve();
      return new Promise(() => undefined);
    },
  });
  const session = await bench.cluster.dial(server);
  const tunnel = await openTunnel(session, { kind: "tcp", host: "hangs.example", port: 80 });
  await resolving.promise;
  expect(gateway.stats().connections).toBe(1);
  tunnel.abort(TunnelReset.cancelled);
  await expect.poll(() => gateway.stats().connections, { timeout: 5_000 }).toBe(0);
  await openTunnel(session, { kind: "tcp", host: "hangs.example", port: 80 });
  await expect.poll(() => gateway.stats().connections).toBe(1);
  await session.closeWithError(1, "gone");
  await expect.poll(() => gateway.stats().connections, { timeout: 5_000 }).toBe(0);
});

// spec: TUN-6
test("what a connection brought before it broke off arrives, and then that it did", async () => {
  await using bench = new TunnelBench({ bytesPerSecond: 2_000_000, delayMs: 20 });
  const answer = Buffer.from(patternBytes(6, 0, 60_000));
  const port = await bench.target((socket) => socket.once("data", () => socket.write(answer, () => socket.resetAndDestroy())));
  const gateway = await bench.gateway({ allow: ["127.0.0.1:*"] });
  const proxy = await bench.proxy([gateway]);
  const local = await client(portOf(await proxy.forward(LOOPBACK, { kind: "tcp", host: "127.0.0.1", port })));
  local.write("go");
  const parts: Buffer[] = [];
  local.on("data", (part: Buffer) => parts.push(part));
  const broken = new Promise((resolve) => local.once("error", resolve));
  expect(await broken).toMatchObject({ code: "ECONNRESET" });
  expect(Buffer.concat(parts).equals(answer)).toBe(true);
  expect(local.readableEnded).toBe(false);
  await expect.poll(() => proxy.stats().connections + gateway.gateway.stats().connections).toBe(0);
});
