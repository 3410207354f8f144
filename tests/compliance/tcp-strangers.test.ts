import { createServer as createHttpServer } from "node:http";
import { connect as connectSocket, createServer as createSocketServer } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { parseAddress } from "@kwik/core";
import { tcpTransport } from "@kwik/transport-tcp";
import { afterEach, expect, test } from "vitest";
import { LinkPeers } from "./link-peers.ts";
import { selfSigned } from "./tls-material.ts";
import { until } from "./until.ts";

// Whoever else may be at the other end: servers that are not kwik's, and clients that mean no good or know no better.

const mine = await selfSigned();
const peers = new LinkPeers(tcpTransport);
afterEach(() => peers.close());

// The head of a carrier's first record, and a byte on it.
const RECORD = Buffer.from("00000107", "hex");

const anybody = { dangerouslyTrustAnyServer: true };

/** A plain TCP client; tells when it was ended from the other side. */
function knock(port: number): { socket: Socket; isGone: () => boolean } {
  const socket = connectSocket({ port, host: "127.0.0.1", allowHalfOpen: true });
  let isGone = false;
  const gone = (): void => {
    isGone = true;
    socket.destroy();
  };
  socket.on("error", gone).on("end", gone).on("close", gone).resume();
  peers.keep({ close: () => socket.destroy() });
  return { socket, isGone: () => isGone };
}

function knockWithTls(port: number, options: { ALPNProtocols?: string[] } = { ALPNProtocols: ["kwik/1"] }): ReturnType<typeof knock> {
  const { socket: raw } = knock(port);
  const socket = connectTls({ socket: raw, rejectUnauthorized: false, ...options });
  let isGone = false;
  const gone = (): void => {
    isGone = true;
  };
  socket.on("error", gone).on("end", gone).on("close", gone).resume();
  return { socket, isGone: () => isGone };
}

test("a web server is NOT_KWIK", async () => {
  const port = await peers.bind(createHttpServer((_request, response) => response.end("hello")));
  expect(await peers.failure({ port, trust: anybody })).toMatch(/^NOT_KWIK: 127\.0\.0\.1:\d+ does not speak TLS/);
});

test("a TLS server without our protocol name is NOT_KWIK, whether it says so or overlooks it", async () => {
  const tls = { cert: mine.cert, key: mine.key };
  const ignorant = await peers.bind(createTlsServer(tls));
  const choosy = await peers.bind(createTlsServer({ ...tls, ALPNProtocols: ["h2", "http/1.1"] }));
  for (const port of [ignorant, choosy]) {
    expect(await peers.failure({ port, trust: anybody })).toMatch(/^NOT_KWIK: .*speaks TLS but not kwik/);
    expect(await peers.failure({ port, identity: mine.identity })).toMatch(/^NOT_KWIK/);
  }
});

test("a server of an older TLS is NOT_KWIK", async () => {
  const port = await peers.bind(createTlsServer({ cert: mine.cert, key: mine.key, maxVersion: "TLSv1.2", ALPNProtocols: ["kwik/1"] }));
  expect(await peers.failure({ port, trust: anybody })).toMatch(/^NOT_KWIK: .*not TLS 1\.3/);
});

test("a server that hangs up, and one that stays silent, are UNREACHABLE", async () => {
  const rude = await peers.bind(createSocketServer((socket) => socket.end()));
  expect(await peers.failure({ port: rude, trust: anybody })).toMatch(/^UNREACHABLE: .*refused the connection/);
  const silent = await peers.bind(createSocketServer(() => undefined));
  expect(await peers.failure({ port: silent, trust: anybody, timeoutMs: 200 })).toMatch(/^UNREACHABLE: no kwik server answered at .*TCP/);
});

test("a dial that is aborted during its handshake is ABORTED and closes its connection", async () => {
  let accepted = 0;
  let gone = 0;
  const port = await peers.bind(
    createSocketServer((socket) => {
      accepted += 1;
      socket
        .on("error", () => undefined)
        .on("close", () => (gone += 1))
        .resume();
    }),
  );
  const abort = new AbortController();
  const outcome = peers.failure({ port, trust: anybody, signal: abort.signal });
  await until(() => accepted === 1);
  abort.abort();
  expect(await outcome).toMatch(/^ABORTED/);
  await until(() => gone === 1);
});

test("addresses that cannot be listened on are IO, each with its reason, and unusable certificates INVALID_ARGUMENT", async () => {
  const listen = (host: string, port: number, tls: { cert: string; key: string }): Promise<unknown> =>
    tcpTransport().listen({ address: { host, port }, tls, onLink: () => undefined });
  const server = await peers.serve(mine);
  await expect(listen("127.0.0.1", server.port, mine)).rejects.toMatchObject({
    code: "IO",
    message: expect.stringMatching(/already in use/),
  });
  await expect(listen("192.0.2.1", 0, mine)).rejects.toMatchObject({ code: "IO", message: expect.stringMatching(/no such address/) });
  const mixed = { cert: mine.cert, key: (await selfSigned()).key };
  await expect(listen("127.0.0.1", 0, mixed)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/belong together/),
  });
  await expect(listen("127.0.0.1", 0, { cert: "x", key: "y" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("garbage on the port ends its own connection, is told once, and disturbs nobody", async () => {
  const server = await peers.serve(mine);
  const steady = await peers.dial({ port: server.port, identity: mine.identity });
  const knocks = Array.from({ length: 20 }, (_, index) => {
    const { socket, isGone } = knock(server.port);
    socket.write(index % 2 === 0 ? "GET / HTTP/1.1\r\nHost: x\r\n\r\n" : Buffer.alloc(3_000, index));
    return isGone;
  });
  const tlsButNotKwik = [knockWithTls(server.port, {}), knockWithTls(server.port, { ALPNProtocols: ["h2"] })];
  for (const { socket } of tlsButNotKwik) socket.write(RECORD);
  // To TLS this is kwik, but the bytes are no records.
  const notRecords = knockWithTls(server.port);
  notRecords.socket.write(Buffer.alloc(100, 0xee));
  await until(() => [...knocks, ...tlsButNotKwik.map((each) => each.isGone), notRecords.isGone].every((isGone) => isGone()));
  expect(server.notices).toHaveLength(1);
  expect(server.notices[0]).toMatch(/^refused a connection from 127\.0\.0\.1:\d+: it /);
  expect(server.closes.filter((info) => !info.remote)).toHaveLength(1);
  expect(server.links).toHaveLength(2);
  await peers.dial({ port: server.port, identity: mine.identity });
  expect(steady.openCarrier()).toBeDefined();
});

test("whoever holds a connection without going on is dropped, at each stage; others come through meanwhile", async () => {
  const server = await peers.serve(mine);
  const silent = knock(server.port);
  const half = knock(server.port);
  half.socket.write(Buffer.from("1603010200010001fc0303", "hex"));
  const dripping = knock(server.port);
  const hello = Buffer.alloc(517, 1);
  Buffer.from("1603010200010001fc0303", "hex").copy(hello);
  let sent = 0;
  const drip = setInterval(() => dripping.socket.writable && dripping.socket.write(hello.subarray(sent, (sent += 1))), 200);
  peers.keep({ close: () => clearInterval(drip) });
  const wordless = knockWithTls(server.port);
  await peers.dial({ port: server.port, identity: mine.identity });
  expect([silent, half, dripping, wordless].map((each) => each.isGone())).toEqual([false, false, false, false]);
  await until(() => [silent, half, dripping, wordless].every((each) => each.isGone()));
  // The one that said nothing was never anybody's link.
  expect(server.links).toHaveLength(1);
});

test("too many handshakes at once cost the oldest its place", async () => {
  const server = await peers.serve(mine);
  await peers.dial({ port: server.port, identity: mine.identity });
  const first = knock(server.port);
  await new Promise((resolve) => first.socket.once("connect", resolve));
  const others = Array.from({ length: 256 }, () => knock(server.port));
  await until(() => first.isGone());
  expect(server.notices.join()).toMatch(/more than 256 undecided connections/);
  expect(others.filter((each) => each.isGone())).toHaveLength(0);
  expect(server.closes).toHaveLength(0);
  await peers.dial({ port: server.port, identity: mine.identity });
});

test("connections beyond the limit are refused until one leaves", async () => {
  const server = await peers.serve(mine, { maxConnections: 1 });
  const request = { port: server.port, identity: mine.identity };
  const only = await peers.dial(request);
  expect(await peers.failure(request)).toMatch(/^UNREACHABLE: .*refused/);
  expect(server.notices.join()).toMatch(/1 connections already/);
  only.close(0, "");
  await until(() => server.closes.length === 1);
  let outcome = "";
  for (let i = 0; i < 200 && outcome !== "connected"; i += 1) outcome = await peers.failure(request);
  expect(outcome).toBe("connected");
});

test("a client that ends its direction only, and one that resets, end their links", async () => {
  const server = await peers.serve(mine);
  const half = knockWithTls(server.port);
  half.socket.write(RECORD);
  await until(() => server.links.length === 1);
  half.socket.end();
  await until(() => server.closes.length === 1);
  expect(server.closes[0]).toMatchObject({ remote: true, reason: "the connection ended" });
  await until(half.isGone);
  const resetting = knock(server.port);
  const secured = connectTls({ socket: resetting.socket, rejectUnauthorized: false, ALPNProtocols: ["kwik/1"] });
  secured.on("error", () => undefined);
  secured.write(RECORD);
  await until(() => server.links.length === 2);
  resetting.socket.resetAndDestroy();
  await until(() => server.closes.length === 2);
  expect(server.closes[1]).toMatchObject({ remote: true });
  await server.listener.close();
});

test("a server that ends its direction only ends the client's link", async () => {
  const server = createTlsServer({ cert: mine.cert, key: mine.key, ALPNProtocols: ["kwik/1"], allowHalfOpen: true } as object, (socket) => {
    socket.on("error", () => undefined).resume();
    socket.end();
  });
  const port = await peers.bind(server);
  const link = await peers.reach({ port, identity: mine.identity });
  const reason = await new Promise<string>((resolve) =>
    link.attach({
      onCarrier: () => undefined,
      onDatagram: () => undefined,
      onClose: (info) => resolve(info.reason),
      onBatchEnd: () => undefined,
    }),
  );
  expect(reason).toBe("the connection ended");
});

test("a receiver that fails on a new link is told in a notice, and costs that link only", async () => {
  const notices: string[] = [];
  let fails = true;
  const listener = peers.keep(
    await tcpTransport().listen({
      address: { host: "127.0.0.1", port: 0 },
      tls: mine,
      onLink: (link) => {
        if (fails) throw new Error("a fault above");
        link.attach({
          onCarrier: (carrier) => (carrier.receiver = { onData: (data) => carrier.send([data]), onEnd: () => undefined }),
          onDatagram: () => undefined,
          onClose: () => undefined,
          onBatchEnd: () => undefined,
        });
      },
      onNotice: (message) => notices.push(message),
    }),
  );
  const { port } = parseAddress(listener.address);
  expect(await peers.failure({ port, identity: mine.identity })).toMatch(/closed: 1 /);
  expect(notices.join()).toMatch(/a fault above/);
  fails = false;
  await peers.dial({ port, identity: mine.identity });
});

test("a link to which nobody attaches is closed with a notice", async () => {
  const notices: string[] = [];
  const onNotice = (message: string): void => void notices.push(message);
  const request = { address: { host: "127.0.0.1", port: 0 }, tls: mine, onLink: () => undefined, onNotice };
  const listener = peers.keep(await tcpTransport().listen(request));
  expect(await peers.failure({ port: parseAddress(listener.address).port, identity: mine.identity })).toMatch(/closed: 1 /);
  expect(notices.join()).toMatch(/nobody attached/);
});

test("closing the listener ends those who are still in their handshake, and frees the port", async () => {
  const server = await peers.serve(mine);
  // Whoever came earlier to another server shows that nobody waited for the handshake to time out.
  const witness = knock((await peers.serve(mine)).port);
  await new Promise((resolve) => witness.socket.once("connect", resolve));
  const silent = knock(server.port);
  await new Promise((resolve) => silent.socket.once("connect", resolve));
  await peers.dial({ port: server.port, identity: mine.identity });
  await server.listener.close();
  await until(silent.isGone);
  expect(witness.isGone()).toBe(false);
  await peers.serve(mine, {}, { port: server.port });
  await peers.dial({ port: server.port, identity: mine.identity });
});
