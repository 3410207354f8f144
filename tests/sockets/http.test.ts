import { EventEmitter, once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { finished } from "node:stream/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import tls from "node:tls";
import { makeSelfSigned } from "@kwik/trust";
import { Agent, HttpsAgent, undiciConnector } from "kwik/http";
import { connect, createServer, type KwikServer } from "kwik/net";
import { afterEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";

const ending: (() => unknown)[] = [];
const dial = { trust: { dangerouslyTrustAnyServer: true } };

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

/** A kwik server that hands its connections to a server of Node. */
async function serve(
  inner: EventEmitter,
  event = "connection",
): Promise<{ server: string; port: number; dial: typeof dial; kwik: KwikServer }> {
  const kwik = createServer((socket) => inner.emit(event, socket));
  kwik.listen(0, "127.0.0.1");
  await once(kwik, "listening");
  const { port } = kwik.address() as AddressInfo;
  ending.push(async () => {
    (inner as Partial<http.Server>).closeAllConnections?.();
    await kwik[Symbol.asyncDispose]();
  });
  return { server: `kwik://127.0.0.1:${port}`, port, dial, kwik };
}

async function bodyOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const part of stream) text += String(part);
  return text;
}

async function get(url: string, options: https.RequestOptions, body = ""): Promise<{ status: number | undefined; text: string }> {
  const request = (url.startsWith("https") ? https : http).request(url, { method: body === "" ? "GET" : "POST", ...options });
  // A response that breaks off is told twice; its body is where the test looks.
  request.once("response", () => request.on("error", () => undefined)).end(body);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  return { status: response.statusCode, text: await bodyOf(response) };
}

test("http over kwik: requests, bodies both ways, keep-alive on one socket", async () => {
  const inner = http.createServer((request, response) => {
    void bodyOf(request).then((text) => response.end(`${request.method} ${request.url} ${text}`));
  });
  let connections = 0;
  inner.on("connection", () => (connections += 1));
  const route = await serve(inner);
  const agent = new Agent({ ...route, keepAlive: true, maxSockets: 1 });
  ending.push(() => agent.destroy());
  expect(await get("http://any.example/a", { agent })).toEqual({ status: 200, text: "GET /a " });
  const long = "x".repeat(2_000_000);
  expect((await get("http://any.example/b", { agent }, long)).text).toBe(`POST /b ${long}`);
  expect(connections).toBe(1);
  // Without a route the host of the URL is the kwik server.
  const direct = new Agent({ dial });
  expect((await get(`http://127.0.0.1:${route.port}/c`, { agent: direct })).text).toBe("GET /c ");
});

test("a response that ends with its connection, and one that breaks off", async () => {
  const route = await serve(
    http.createServer((request, response) => {
      response.writeHead(200, { connection: "close" });
      response.write("part");
      if (request.url === "/whole") response.end();
      else setImmediate(() => (request.socket as unknown as { resetAndDestroy(): void }).resetAndDestroy());
    }),
  );
  const agent = new Agent(route);
  expect((await get("http://h/whole", { agent })).text).toBe("part");
  await expect(get("http://h/broken", { agent })).rejects.toMatchObject({ code: "ECONNRESET" });
});

test("https over kwik is TLS up to the web server, which proves itself", async () => {
  const pair = await makeSelfSigned({ names: ["web.example"] });
  const inner = https.createServer(pair, (_request, response) => response.end("secret"));
  const route = await serve(inner);
  const agent = new HttpsAgent({ ...route, ca: pair.cert });
  expect(await get("https://web.example/", { agent })).toEqual({ status: 200, text: "secret" });
  await expect(get("https://other.example/", { agent })).rejects.toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
  await expect(get("https://web.example/", { agent: new HttpsAgent(route) })).rejects.toThrow(/self.signed/);
});

test("undici, and fetch with it, over kwik, in the clear and with TLS inside", async () => {
  // The Agent that Node brings for fetch; the one of the package is the same.
  await fetch("data:,").then((response) => response.text());
  await fetch("http://127.0.0.1:1").catch(() => undefined);
  const dispatcher = (globalThis as unknown as Record<symbol, { constructor: new (options: object) => { close(): Promise<void> } }>)[
    Symbol.for("undici.globalDispatcher.2")
  ];
  const UndiciAgent = dispatcher?.constructor;
  if (UndiciAgent === undefined) throw new Error("this Node keeps its dispatcher elsewhere");
  const pair = await makeSelfSigned({ names: ["web.example"] });
  const plain = await serve(http.createServer((request, response) => void request.pipe(response)));
  const secure = await serve(https.createServer(pair, (_request, response) => response.end("secret")));
  const overPlain = new UndiciAgent({ connect: undiciConnector(plain) });
  const overSecure = new UndiciAgent({ connect: undiciConnector({ ...secure, tls: { ca: pair.cert } }) });
  ending.push(
    () => overPlain.close(),
    () => overSecure.close(),
  );
  const get = (url: string, options: object): Promise<string> => fetch(url, options).then((response) => response.text());
  expect(await get("http://h/", { dispatcher: overPlain, method: "POST", body: "mirrored" })).toBe("mirrored");
  expect(await get("https://web.example/", { dispatcher: overSecure })).toBe("secret");
  const nowhere = new UndiciAgent({ connect: undiciConnector({ server: "kwik+tcp://127.0.0.1:1", dial }) });
  await expect(get("http://h/", { dispatcher: nowhere })).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
});

/** What `near` gets in a moment goes on in one piece, as a network may deliver it. */
function inOnePiece(near: Duplex, far: Duplex): void {
  let parts: Buffer[] = [];
  near.on("data", (part: Buffer) => {
    if (parts.push(part) > 1) return;
    setTimeout(() => {
      if (far.writable) far.write(Buffer.concat(parts));
      parts = [];
    }, 10);
  });
  far.pipe(near);
}

test("HTTP/2: the response comes before its data, also when both come in one piece", async () => {
  const inner = http2.createServer();
  inner.on("stream", (stream: http2.ServerHttp2Stream) => {
    // Headers, data and trailers leave in one piece.
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-last": "1" }));
    stream.end("body");
  });
  const joined = new EventEmitter();
  joined.on("connection", (socket: Duplex) => {
    const [near, end] = duplexPair();
    inOnePiece(near, socket);
    inner.emit("connection", end);
  });
  const route = await serve(joined);
  const client = http2.connect("http://h", { createConnection: () => connect(route) });
  ending.push(() => client.destroy());
  const orders = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const order: string[] = [];
      const stream = client.request({ ":path": "/" });
      stream.on("response", () => order.push("response"));
      stream.on("data", () => order.push("data"));
      stream.on("trailers", () => order.push("trailers"));
      stream.on("end", () => order.push("end"));
      await finished(stream);
      return order.join(" ");
    }),
  );
  expect(new Set(orders)).toEqual(new Set(["response data trailers end"]));
});

test("HTTP/2 carries bulk both ways, and inside TLS too", async () => {
  const pair = await makeSelfSigned({ names: ["web.example"] });
  const plain = http2.createServer();
  const secure = http2.createSecureServer(pair);
  for (const inner of [plain, secure]) inner.on("stream", (stream) => void stream.pipe(stream));
  const [plainRoute, secureRoute] = [await serve(plain), await serve(secure)];
  const tlsSocket = tls.connect({ socket: connect(secureRoute), ca: pair.cert, servername: "web.example", ALPNProtocols: ["h2"] });
  const clients = [
    http2.connect("http://h", { createConnection: () => connect(plainRoute) }),
    http2.connect("https://web.example", { createConnection: () => tlsSocket }),
  ];
  const sent = Buffer.alloc(3_000_000, "kwik");
  for (const client of clients) {
    ending.push(() => client.destroy());
    const stream = client.request({ ":method": "POST", ":path": "/" });
    stream.end(sent);
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
  }
});

test("ws over kwik: messages both ways, a close with its code", async () => {
  const inner = http.createServer();
  const sockets = new WebSocketServer({ server: inner });
  sockets.on("connection", (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
  const route = await serve(inner);
  const client = new WebSocket("ws://h/", { createConnection: () => connect(route) as never });
  await once(client, "open");
  const large = Buffer.alloc(1_000_000, 9);
  client.send("text");
  client.send(large);
  expect(String((await once(client, "message"))[0])).toBe("text");
  expect(((await once(client, "message"))[0] as Buffer).equals(large)).toBe(true);
  client.close(4001, "enough");
  expect((await once(client, "close"))[0]).toBe(4001);
  await nextTurn();
});
