import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { connect, createServer as createTlsServer } from "node:tls";
import { webSocketTransport } from "@kwik/transport-websocket";
import type { WebSocketTransportOptions } from "@kwik/transport-websocket";
import { afterEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { LinkPeers } from "./link-peers.ts";
import { selfSigned } from "./tls-material.ts";
import { until } from "./until.ts";

// What a client says about servers that are not kwik's, or not there.

const tls = await selfSigned();
const { cert, key } = tls;
const peers = new LinkPeers(webSocketTransport);
afterEach(() => peers.close());

interface Attempt extends WebSocketTransportOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly host?: string;
}

function failure(port: number, { timeoutMs, signal, host, ...options }: Attempt = {}): Promise<string> {
  const isPlaintext = options.dangerouslyPlaintext ?? false;
  return peers.failure(
    {
      port,
      ...(host !== undefined && { host }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      signal,
      identity: isPlaintext ? undefined : tls.identity,
      trust: { dangerouslyTrustAnyServer: isPlaintext },
    },
    webSocketTransport(options),
  );
}

/** The client leaves nothing behind. */
const allClosed = (): Promise<void> => until(() => peers.sockets.size === 0);

/** The masking keys of the frames that a client sends, in hexadecimal. */
async function keysOf(options: WebSocketTransportOptions): Promise<Set<string>> {
  const isPlaintext = options.dangerouslyPlaintext ?? false;
  const keys = new Set<string>();
  const server = isPlaintext ? createHttpServer() : createHttpsServer({ cert, key });
  const webSockets = new WebSocketServer({ server, handleProtocols: () => "kwik.1" });
  webSockets.on("connection", (ws, { socket }) => {
    // Each frame by itself, unfinished and short: its head is the first of what comes, two bytes and the key.
    socket.on("data", (data: Buffer) => keys.add(data.subarray(2, 6).toString("hex")));
    ws.on("message", () => ws.send(Uint8Array.of(2, 1, 0)));
  });
  const port = await peers.bind(server);
  const trust = { dangerouslyTrustAnyServer: isPlaintext };
  const identity = isPlaintext ? undefined : tls.identity;
  const link = await peers.reach({ port, identity, trust }, webSocketTransport(options));
  let answers = 0;
  link.attach({ onCarrier: () => undefined, onDatagram: () => (answers += 1), onClose: () => undefined, onBatchEnd: () => undefined });
  for (let count = 0; count < 4; count += 1) {
    link.sendDatagram(Uint8Array.of(count));
    await until(() => answers > count);
  }
  link.close(0, "");
  return keys;
}

// spec: PIPE-1
test("frames have a key of zeros over TLS, and random ones without TLS or where that is asked for", async () => {
  expect([...(await keysOf({}))]).toEqual(["00000000"]);
  expect((await keysOf({ dangerouslyPlaintext: true })).size).toBe(4);
  expect((await keysOf({ masksFrames: true })).size).toBe(4);
});

test("what the other side sent last arrives, though the end of its connection came with it", async () => {
  const server = createHttpsServer({ cert, key });
  const webSockets = new WebSocketServer({ server, handleProtocols: () => "kwik.1" });
  webSockets.on("connection", (ws, { socket }) => {
    ws.on("message", () => {
      ws.send(Uint8Array.of(2, 1, 7));
      socket.end();
    });
  });
  const link = await peers.reach({ port: await peers.bind(server), identity: tls.identity, trust: {} }, webSocketTransport({}));
  const seen: string[] = [];
  link.attach({
    onCarrier: () => undefined,
    onDatagram: (data) => seen.push(`datagram ${data.join(" ")}`),
    onClose: () => seen.push("close"),
    onBatchEnd: () => undefined,
  });
  link.sendDatagram(Uint8Array.of(1));
  await until(() => seen.includes("close"));
  expect(seen).toEqual(["datagram 7", "close"]);
});

test.each([
  [200, "NOT_KWIK", "it answered 200 OK"],
  [302, "NOT_KWIK", "it answered 302 Found"],
  [404, "NOT_KWIK", "it answered 404 Not Found"],
  [503, "UNREACHABLE", "503 Service Unavailable"],
] as const)("a web server that answers %i is %s", async (status, code, text) => {
  const port = await peers.bind(
    createHttpsServer({ cert, key }, (_request, response) => {
      response.writeHead(status, { location: "https://127.0.0.1:1/" });
      response.end("hello");
    }),
  );
  const outcome = await failure(port);
  expect(outcome).toMatch(new RegExp(`^${code}: 127\\.0\\.0\\.1:${port} .*${text}`));
  await allClosed();
});

test("a WebSocket server of something else is NOT_KWIK", async () => {
  const https = createHttpsServer({ cert, key });
  new WebSocketServer({ server: https, handleProtocols: () => false });
  expect(await failure(await peers.bind(https))).toMatch(/^NOT_KWIK: .*subprotocol/);
  await allClosed();
});

test("a server that agrees without proving that it understood is NOT_KWIK", async () => {
  const https = createHttpsServer({ cert, key });
  https.on("upgrade", (_request, socket) => {
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: kwik.1\r\n\r\n");
  });
  expect(await failure(await peers.bind(https))).toMatch(/^NOT_KWIK: .*Sec-WebSocket-Accept/);
  await allClosed();
});

test("TLS that carries no HTTP, and ports without TLS, are NOT_KWIK", async () => {
  const chatty = createTlsServer({ cert, key }, (socket) => {
    socket.on("error", () => undefined).resume();
    socket.write("220 mail.example ESMTP\r\n");
  });
  expect(await failure(await peers.bind(chatty))).toMatch(/^NOT_KWIK: .*HTTP/);
  const mail = createTcpServer((socket) => socket.resume().write("220 mail.example ESMTP\r\n"));
  expect(await failure(await peers.bind(mail))).toMatch(/^NOT_KWIK: .*TLS/);
  const plain = createHttpServer((_request, response) => response.end("hello"));
  expect(await failure(await peers.bind(plain))).toMatch(/^NOT_KWIK: .*TLS/);
  await allClosed();
});

test("a server that has only TLS 1.2 is NOT_KWIK, and clients that have only that reach no kwik server", async () => {
  const old = createHttpsServer({ cert, key, maxVersion: "TLSv1.2" });
  expect(await failure(await peers.bind(old))).toMatch(/^NOT_KWIK: .*not TLS 1\.3/);
  const listener = await webSocketTransport().listen({ address: { host: "127.0.0.1", port: 0 }, tls, onLink: () => undefined });
  const socket = connect({
    host: "127.0.0.1",
    port: Number(listener.address.split(":")[1]),
    maxVersion: "TLSv1.2",
    rejectUnauthorized: false,
  });
  const outcome = await new Promise((resolve) => {
    socket.once("error", () => resolve("refused"));
    socket.once("secureConnect", () => resolve("connected"));
  });
  socket.destroy();
  await listener.close();
  expect(outcome).toBe("refused");
});

test("silence at any stage is UNREACHABLE, with the time that was waited", async () => {
  const inHandshake = await peers.bind(createTcpServer((socket) => socket.resume()));
  expect(await failure(inHandshake, { timeoutMs: 300 })).toMatch(
    /^UNREACHABLE: no kwik server answered at 127\.0\.0\.1:\d+ over WebSocket/,
  );
  const inRequest = await peers.bind(createTlsServer({ cert, key }, (socket) => socket.on("error", () => undefined).resume()));
  expect(await failure(inRequest, { timeoutMs: 300 })).toMatch(/within 0\.3 s$/);
  await allClosed();
});

test("a closed port, and a server that hangs up, are UNREACHABLE with the reason", async () => {
  const closed = createTcpServer();
  const port = await peers.bind(closed);
  closed.close();
  expect(await failure(port)).toMatch(/^UNREACHABLE: 127\.0\.0\.1:\d+ refused the connection: nobody listens/);
  const hangsUp = await peers.bind(createTcpServer((socket) => socket.destroy()));
  expect(await failure(hangsUp)).toMatch(/^UNREACHABLE: .*without an answer/);
  const afterHandshake = createTlsServer({ cert, key }, (socket) =>
    socket.on("error", () => undefined).once("data", () => socket.destroy()),
  );
  expect(await failure(await peers.bind(afterHandshake))).toMatch(/^UNREACHABLE: .*without an answer/);
});

test("a dial that is aborted on the way is ABORTED and leaves nothing", async () => {
  const server = createTlsServer({ cert, key }, (socket) => socket.on("error", () => undefined).resume());
  const port = await peers.bind(server);
  for (const event of ["connection", "secureConnection"]) {
    const abort = new AbortController();
    server.once(event, () => abort.abort(new Error("enough")));
    expect(await failure(port, { signal: abort.signal })).toMatch(/^ABORTED: dialling 127\.0\.0\.1:\d+ was aborted/);
    await allClosed();
  }
});

test("the path of the option is asked for, with the name that was dialled", async () => {
  const seen: unknown[] = [];
  const server = createHttpServer((_request, response) => response.end());
  server.on("upgrade", (request, socket) => {
    seen.push(request.url, request.headers.host, request.headers.origin, request.headers["sec-websocket-extensions"]);
    socket.on("error", () => undefined).end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  });
  const port = await peers.bind(server);
  expect(await failure(port, { host: "localhost", path: "/a/b", dangerouslyPlaintext: true })).toMatch(/^NOT_KWIK: .*404/);
  expect(seen.slice(-4)).toEqual(["/a/b", `localhost:${port}`, undefined, undefined]);
});

test("paths that would not arrive as they are written are INVALID_ARGUMENT", () => {
  for (const path of ["", "kwik", "/a?b", "/a#b", "/ü", "/a b", "/a/../b", "/a\r\nX: y"]) {
    expect(() => webSocketTransport({ path }), path).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
  expect(webSocketTransport({ path: "/" }).name).toBe("websocket");
});
