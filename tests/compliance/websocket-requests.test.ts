import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import type { Link, WebOptions } from "@kwik/core";
import { encodeDatagram } from "@kwik/proto";
import { webSocketTransport } from "@kwik/transport-websocket";
import type { WebSocketTransportOptions } from "@kwik/transport-websocket";
import { afterEach, expect, test } from "vitest";
import type WebSocket from "ws";
import { offerWebSocket } from "./foreign-websocket.ts";
import type { WebSocketOffer } from "./foreign-websocket.ts";
import { LinkPeers } from "./link-peers.ts";
import type { Served } from "./link-peers.ts";
import { connectRaw } from "./raw-connection.ts";
import type { RawConnection } from "./raw-connection.ts";
import { selfSigned } from "./tls-material.ts";
import { until } from "./until.ts";

// What a server does with requests that are not kwik's, and with clients that mean no good.

const tls = await selfSigned();
const peers = new LinkPeers(webSocketTransport);
afterEach(() => peers.close());

const serve = (options?: WebSocketTransportOptions, web?: WebOptions): Promise<Served> => peers.serve(tls, options, { web });

const useLink = (port: number): Promise<Link> => peers.dial({ port, identity: tls.identity });

const raw = async (port: number, kind: "tcp" | "tls"): Promise<RawConnection> =>
  peers.keep(await connectRaw(port, kind === "tls" ? [] : undefined));

async function offer(port: number, how: WebSocketOffer): Promise<{ outcome: string; ws: WebSocket }> {
  const { ws, outcome } = peers.keep(offerWebSocket(port, how));
  return { ws, outcome: await outcome };
}

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

function ask(port: number, path: string, method = "GET", headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: "127.0.0.1", port, path, method, headers, rejectUnauthorized: false, agent: false },
      (response) => {
        let text = "";
        response.on("data", (data) => (text += String(data)));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      },
    );
    request.on("error", reject);
    request.end();
  });
}

/** What a link might begin with: it is one from the first bytes on. */
const SOMETHING = encodeDatagram(Uint8Array.of(1));

const UPGRADE = [
  "GET /kwik HTTP/1.1",
  "Host: localhost",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol: kwik.1",
  "",
  "",
].join("\r\n");

test("other requests are told what this port is, and their connections closed", async () => {
  const server = await serve();
  const onPath = await ask(server.port, "/kwik");
  expect(onPath.status).toBe(426);
  expect(onPath.headers).toMatchObject({ upgrade: "websocket", connection: expect.stringContaining("close") });
  expect(onPath.text).toMatch(/kwik\.1 at \/kwik/);
  expect(await ask(server.port, "/")).toMatchObject({ status: 404, text: expect.stringContaining("serves kwik") });
  expect(await ask(server.port, "/kwik/../x", "POST", { "content-length": "0" })).toMatchObject({ status: 404 });
  expect(await ask(server.port, "/kwik", "HEAD")).toMatchObject({ status: 426, text: "" });
  const { socket, closed, heard } = await raw(server.port, "tls");
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
  await closed;
  expect(heard()).toMatch(/^HTTP\/1\.1 404 /);
});

test("only the path and the subprotocol of kwik become a link", async () => {
  const server = await serve();
  expect((await offer(server.port, { path: "/other" })).outcome).toBe("404");
  expect((await offer(server.port, { path: "/kwik/" })).outcome).toBe("404");
  expect((await offer(server.port, { protocol: "kwik.2" })).outcome).toBe("400");
  expect(server.links).toHaveLength(0);
  const { outcome, ws } = await offer(server.port, { path: "/kwik?from=a-gateway" });
  expect([outcome, ws.protocol, ws.extensions]).toEqual(["open", "kwik.1", ""]);
  ws.send(SOMETHING);
  await until(() => server.links.length === 1);
});

test("an upgrade to something else, a malformed one, and a request for a proxy are answered and closed", async () => {
  const server = await serve();
  for (const [request, status] of [
    [UPGRADE.replace("Upgrade: websocket", "Upgrade: h2c"), 400],
    [UPGRADE.replace("Version: 13", "Version: 99"), 400],
    [UPGRADE.replace(/Sec-WebSocket-Key: .*\r\n/, ""), 400],
    [UPGRADE.replace(/Sec-WebSocket-Protocol: .*\r\n/, ""), 400],
    [UPGRADE.replace("GET", "POST"), 405],
    ["CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", 501],
  ] as const) {
    const { socket, closed, heard } = await raw(server.port, "tls");
    socket.write(request);
    await closed;
    expect(heard()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  }
  expect(server.links).toHaveLength(0);
  await useLink(server.port);
});

test("pages may connect from the host that serves them, unless the option decides", async () => {
  const server = await serve();
  expect((await offer(server.port, { origin: "https://evil.example" })).outcome).toBe("403");
  expect((await offer(server.port, { origin: "null" })).outcome).toBe("403");
  expect((await offer(server.port, { origin: "https://127.0.0.1" })).outcome).toBe("open");
  expect((await offer(server.port, { origin: "https://App.example:8443", host: "app.example:4433" })).outcome).toBe("open");
  expect((await offer(server.port, { origin: "https://app.example.evil.example", host: "app.example" })).outcome).toBe("403");
  const asked: string[] = [];
  const allowOrigin = (origin: string): boolean => {
    asked.push(origin);
    return origin === "https://good.example";
  };
  const choosy = await serve({}, { allowOrigin });
  expect((await offer(choosy.port, { origin: "https://good.example" })).outcome).toBe("open");
  expect((await offer(choosy.port, { origin: "https://127.0.0.1" })).outcome).toBe("403");
  await useLink(choosy.port);
  expect(asked).toEqual(["https://good.example", "https://127.0.0.1"]);
});

test("what is not kwik over an open WebSocket ends that link, with a code and a reason", async () => {
  const server = await serve();
  const bystander = await useLink(server.port);
  const cases: [send: (ws: WebSocket) => void, code: number, reason: RegExp][] = [
    [(ws) => ws.send("hello"), 1003, /text message/],
    [(ws) => ws.send(new Uint8Array(10_000_000)), 1009, /Max payload/],
    [(ws) => ws.close(1000), 1000, /ended/],
    [(ws) => ws.close(4321, "why not"), 4321, /4321.*why not/],
    [(ws) => ws.terminate(), 1006, /broke/],
  ];
  for (const [send, code, reason] of cases) {
    const known = server.closes.length;
    const { ws } = await offer(server.port, {});
    const closed = new Promise((resolve) => ws.once("close", resolve));
    ws.send(SOMETHING);
    await until(() => server.links.length === known + 2);
    send(ws);
    await until(() => server.closes.length > known);
    expect(server.closes[known]?.reason).toMatch(reason);
    expect(await closed).toBe(code);
  }
  expect(server.closes).toHaveLength(cases.length);
  expect(bystander.openCarrier()).toBeDefined();
});

test("garbage at any depth ends its connection and no other", async () => {
  const server = await serve();
  const garbage = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 167 + 13) & 0xff));
  const belowTls = await raw(server.port, "tcp");
  belowTls.socket.write(garbage);
  await belowTls.closed;
  const inTls = await raw(server.port, "tls");
  inTls.socket.write(garbage);
  await inTls.closed;
  expect(inTls.heard()).toMatch(/^HTTP\/1\.1 400 /);
  const headers = await raw(server.port, "tls");
  headers.socket.write(`GET /kwik HTTP/1.1\r\nCookie: ${"x".repeat(100_000)}\r\n\r\n`);
  await headers.closed;
  expect(headers.heard()).toMatch(/^HTTP\/1\.1 431 /);
  // Frames that break RFC 6455: without a mask, as a client's must not be.
  const frames = await raw(server.port, "tls");
  frames.socket.write(UPGRADE);
  await until(() => frames.heard().includes("101 Switching"));
  frames.socket.write(Buffer.from([0x82, 0x03, 1, 2, 3]));
  await frames.closed;
  // Whole messages, but no kwik in them.
  const { ws } = await offer(server.port, {});
  const closed = new Promise((resolve) => ws.once("close", resolve));
  ws.send(garbage);
  await closed;
  expect(server.closes).toHaveLength(1);
  await useLink(server.port);
});

test("clients that take their time are cut off, at each stage, and the server serves others meanwhile", async () => {
  const server = await serve({ handshakeTimeoutMs: 400 });
  const silent = await raw(server.port, "tcp");
  const dripping = await raw(server.port, "tcp");
  // A TLS record that promises a long client hello.
  dripping.socket.write(Buffer.from([22, 3, 1, 2, 0, 1]));
  const drip = setInterval(() => dripping.socket.write(Buffer.from([0])), 50);
  const withoutRequest = await raw(server.port, "tls");
  const slowRequest = await raw(server.port, "tls");
  slowRequest.socket.write("GET /kwik HTTP/1.1\r\n");
  const slowDrip = setInterval(() => slowRequest.socket.write("X-A: b\r\n"), 50);
  await useLink(server.port);
  await Promise.all([silent.closed, dripping.closed, withoutRequest.closed, slowRequest.closed]);
  clearInterval(drip);
  clearInterval(slowDrip);
  expect(slowRequest.heard()).toMatch(/^HTTP\/1\.1 408 /);
  await useLink(server.port);
});

test("crowds of silent connections do not keep others out", async () => {
  const server = await serve({ handshakeTimeoutMs: 60_000 });
  const crowd = await Promise.all(Array.from({ length: 300 }, () => raw(server.port, "tcp")));
  await useLink(server.port);
  // The oldest had to go.
  await crowd[0]?.closed;
  expect(crowd.at(-1)?.socket.destroyed).toBe(false);
  expect(server.notices.join()).toMatch(/more than 256 undecided connections/);
});

test("a full server turns clients away with a reason, says so once, and has room again afterwards", async () => {
  const server = await serve({ maxConnections: 2 });
  const first = await useLink(server.port);
  await useLink(server.port);
  for (let i = 0; i < 2; i += 1) {
    await expect(useLink(server.port)).rejects.toMatchObject({ code: "UNREACHABLE", message: expect.stringContaining("503") });
  }
  expect(server.notices.filter((notice) => notice.includes("maxConnections"))).toHaveLength(1);
  first.close(0, "");
  await until(() => server.closes.length === 1);
  for (;;) {
    const outcome = await useLink(server.port).catch((error: unknown) => error);
    if (!(outcome instanceof Error)) break;
  }
});

test("closing the listener does not wait for clients that are in the middle of something", async () => {
  const server = await serve();
  await useLink(server.port);
  const inHandshake = await raw(server.port, "tcp");
  const inRequest = await raw(server.port, "tls");
  inRequest.socket.write("GET /kwik HTTP/1.1\r\n");
  const { ws } = await offer(server.port, {});
  ws.pause(); // says nothing, and never answers the close
  const started = performance.now();
  await server.listener.close();
  expect(performance.now() - started).toBeLessThan(8_000);
  await Promise.all([inHandshake.closed, inRequest.closed]);
});

test("a client that opens a WebSocket and says nothing is no link, and is closed", async () => {
  const server = await serve();
  const { ws } = await offer(server.port, {});
  const [code] = (await once(ws, "close")) as [number];
  expect([code, server.links.length, server.closes.length]).toEqual([1000, 0, 0]);
});
