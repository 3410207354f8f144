import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer, request as httpsRequest } from "node:https";
import { connect as connectTcp } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { parseAddress } from "@kwik/core";
import type { Link, LinkCloseInfo, Transport, TransportListener } from "@kwik/core";
import { encodeDatagram } from "@kwik/proto";
import { attachWebSocket, webSocketTransport } from "@kwik/transport-websocket";
import type { WebSocketTransportOptions } from "@kwik/transport-websocket";
import { afterEach, expect, test } from "vitest";
import WebSocket from "ws";
import { selfSigned } from "./tls-material.ts";

// What a server does with requests that are not kwik's, and with clients that mean no good.

const tls = await selfSigned();
const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

interface Served {
  readonly port: number;
  readonly links: Link[];
  readonly ends: LinkCloseInfo[];
  readonly notices: string[];
  readonly listener: TransportListener;
}

/** An echo over any transport that can listen. */
async function serveOn(transport: Transport): Promise<Served> {
  const links: Link[] = [];
  const ends: LinkCloseInfo[] = [];
  const notices: string[] = [];
  const listener = await transport.listen({
    address: { host: "127.0.0.1", port: 0 },
    tls,
    onNotice: (message) => notices.push(message),
    onLink: (link) => {
      links.push(link);
      link.attach({
        onCarrier: (carrier) => {
          carrier.receiver = { onData: (data) => carrier.send([data]), onEnd: () => undefined };
        },
        onDatagram: () => undefined,
        onClose: (info) => ends.push(info),
        onBatchEnd: () => undefined,
      });
    },
  });
  open.push(listener);
  return { port: parseAddress(listener.address).port, links, ends, notices, listener };
}

const serve = (options: WebSocketTransportOptions = {}): Promise<Served> => serveOn(webSocketTransport(options));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Dials, has a byte echoed, and leaves; rejects with what a user would see. */
async function useLink(port: number, transport: Transport = webSocketTransport(), dangerouslyTrustAnyServer = false): Promise<Link> {
  const link = await transport.dial({
    address: { host: "127.0.0.1", port },
    trust: { ca: undefined, pins: [tls.identity], dangerouslyTrustAnyServer },
    identity: undefined,
    clientCertificate: undefined,
    timeoutMs: 10_000,
    signal: undefined,
  });
  open.push({ close: () => link.close(0, "") });
  await new Promise<void>((resolve, reject) => {
    link.attach({
      onCarrier: () => undefined,
      onDatagram: () => undefined,
      onClose: (info) => reject(new Error(info.reason)),
      onBatchEnd: () => undefined,
    });
    const carrier = link.openCarrier();
    if (carrier === undefined) throw new Error("no carrier");
    carrier.receiver = { onData: () => resolve(), onEnd: () => undefined };
    carrier.send([Uint8Array.of(7)]);
  });
  return link;
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

interface Offer {
  readonly path?: string;
  readonly protocol?: string;
  readonly origin?: string;
  readonly host?: string;
}

/** A WebSocket of somebody else's making; answers "open", or the HTTP status that refused it. */
function offer(port: number, { path, protocol, origin, host }: Offer): Promise<{ outcome: string; ws: WebSocket }> {
  return new Promise((resolve) => {
    const ws = new WebSocket(`wss://127.0.0.1:${port}${path ?? "/kwik"}`, protocol ?? "kwik.1", {
      rejectUnauthorized: false,
      headers: host === undefined ? {} : { host },
      ...(origin === undefined ? {} : { origin }),
    });
    open.push({ close: () => ws.terminate() });
    ws.on("error", () => undefined);
    ws.once("unexpected-response", (_request, response) => resolve({ outcome: String(response.statusCode), ws }));
    ws.once("open", () => resolve({ outcome: "open", ws }));
  });
}

/** A connection of raw bytes, over TLS or below it. */
async function raw(port: number, kind: "tcp" | "tls"): Promise<{ socket: Socket; closed: Promise<unknown>; heard: () => string }> {
  const socket =
    kind === "tcp" ? connectTcp({ host: "127.0.0.1", port }) : connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
  open.push({ close: () => socket.destroy() });
  let heard = "";
  socket.on("data", (data) => (heard += data.toString("latin1")));
  socket.on("error", () => undefined);
  // Not `once`, which rejects with the reset that some of these end with.
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, kind === "tcp" ? "connect" : "secureConnect");
  return { socket, closed, heard: () => heard };
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

test("an upgrade to something else, or a malformed one, is answered and closed", async () => {
  const server = await serve();
  for (const [request, status] of [
    [UPGRADE.replace("Upgrade: websocket", "Upgrade: h2c"), 400],
    [UPGRADE.replace("Version: 13", "Version: 99"), 400],
    [UPGRADE.replace(/Sec-WebSocket-Key: .*\r\n/, ""), 400],
    [UPGRADE.replace(/Sec-WebSocket-Protocol: .*\r\n/, ""), 400],
    [UPGRADE.replace("GET", "POST"), 405],
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
  const choosy = await serve({
    allowOrigin: (origin) => {
      asked.push(origin);
      return origin === "https://good.example";
    },
  });
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
    const known = server.ends.length;
    const { ws } = await offer(server.port, {});
    const closed = new Promise((resolve) => ws.once("close", resolve));
    ws.send(SOMETHING);
    await until(() => server.links.length === known + 2);
    send(ws);
    await until(() => server.ends.length > known);
    expect(server.ends[known]?.reason).toMatch(reason);
    expect(await closed).toBe(code);
  }
  expect(server.ends).toHaveLength(cases.length);
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
  expect(server.ends).toHaveLength(1);
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
  await until(() => server.ends.length === 1);
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

test("kwik shares an HTTPS server with others and leaves it as it was", async () => {
  const host = createHttpsServer({ cert: tls.cert, key: tls.key, minVersion: "TLSv1.3" }, (_request, response) => response.end("my page"));
  open.push({ close: () => host.close() });
  const attached = attachWebSocket(host, { path: "/deep/kwik" });
  await expect(serveOn(attached)).rejects.toMatchObject({ code: "IO" });
  host.listen(0, "127.0.0.1");
  await once(host, "listening");
  const { port } = host.address() as AddressInfo;
  const server = await serveOn(attached);
  expect(server.port).toBe(port);
  await useLink(port, attached);
  expect((await ask(port, "/")).text).toBe("my page");
  expect((await offer(port, { path: "/chat" })).outcome).toBe("404");
  const others: string[] = [];
  host.on("upgrade", (request, socket) => {
    if (request.url !== "/chat") return;
    others.push(request.url);
    socket.end("HTTP/1.1 418 I'm a Teapot\r\nContent-Length: 0\r\n\r\n");
  });
  expect((await offer(port, { path: "/chat" })).outcome).toBe("418");
  await server.listener.close();
  expect(server.ends).toHaveLength(1);
  expect((await ask(port, "/")).text).toBe("my page");
  expect(host.listenerCount("upgrade")).toBe(1);
  expect(others).toEqual(["/chat"]);
});

test("a client that opens a WebSocket and says nothing is no link, and is closed", async () => {
  const server = await serve();
  const { ws } = await offer(server.port, {});
  const [code] = (await once(ws, "close")) as [number];
  expect([code, server.links.length, server.ends.length]).toEqual([1000, 0, 0]);
});

test("without TLS of its own an attached server takes clients only if a gateway in front of it has some", async () => {
  const host = createHttpServer();
  open.push({ close: () => host.close() });
  host.listen(0, "127.0.0.1");
  await once(host, "listening");
  const { port } = host.address() as AddressInfo;
  const plaintext = webSocketTransport({ dangerouslyPlaintext: true });
  const careful = await serveOn(attachWebSocket(host));
  await expect(useLink(port, plaintext, true)).rejects.toMatchObject({ message: expect.stringContaining("403") });
  await careful.listener.close();
  const behind = await serveOn(attachWebSocket(host, { isBehindTlsGateway: true }));
  await useLink(port, plaintext, true);
  expect(behind.links[0]?.capabilities.encrypted).toBe(true);
});
