import { once } from "node:events";
import http, { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { LocalProxy } from "@kwik/proxy";
import { expect, test } from "vitest";
import { portOf, textOf, TunnelBench } from "./gateway-pair.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

/** A proxy for HTTP with a gateway that allows the loopback; answers its port. */
async function proxyOf(bench: TunnelBench): Promise<{ proxy: LocalProxy; port: number }> {
  const proxy = await bench.proxy([await bench.gateway({ allow: ["127.0.0.1:*"] })]);
  return { proxy, port: portOf(await proxy.http(LOOPBACK)) };
}

async function client(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** A target that answers every request with the bytes that it got. */
async function mirror(bench: TunnelBench): Promise<number> {
  return bench.target((socket) => {
    let got = "";
    socket.on("data", (data) => {
      got += data.toString("latin1");
      const [head = "", body = ""] = got.split("\r\n\r\n", 2);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      const isWhole = /transfer-encoding/i.test(head) ? got.endsWith("0\r\n\r\n") : got.includes("\r\n\r\n") && body.length >= length;
      if (isWhole) socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${got.length}\r\n\r\n${got}`);
    });
  });
}

async function web(handle: http.RequestListener): Promise<{ server: Server; port: number; [Symbol.asyncDispose](): Promise<void> }> {
  const server = createServer(handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    server,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a target is asked when a client writes `request`, in which TARGET stands for its address. */
async function passedOn(request: string): Promise<string> {
  await using bench = new TunnelBench();
  const target = await mirror(bench);
  const { port } = await proxyOf(bench);
  const socket = await client(port);
  socket.write(Buffer.from(request.replaceAll("TARGET", `127.0.0.1:${target}`), "latin1"));
  const text = await textOf(socket);
  return text.replaceAll(`127.0.0.1:${target}`, "TARGET");
}

test.each([
  ["a path as it was written", "GET http://TARGET/a/../b//c/./d?q=%7Ex&y=[1]&z='`|", "GET /a/../b//c/./d?q=%7Ex&y=[1]&z='`| HTTP/1.1"],
  ["no path", "GET http://TARGET", "GET / HTTP/1.1"],
  ["a query without a path", "GET http://TARGET?q=1", "GET /?q=1 HTTP/1.1"],
  ["OPTIONS of the whole server", "OPTIONS http://TARGET", "OPTIONS * HTTP/1.1"],
  ["a user in the URL, who is none of the target's business", "GET http://me:secret@TARGET/x", "GET /x HTTP/1.1"],
])("the target is asked for %s", async (_name, line, asked) => {
  const text = await passedOn(`${line} HTTP/1.1\r\nHost: TARGET\r\nConnection: close\r\n\r\n`);
  expect(text).toContain(`${asked}\r\n`);
  expect(text).toContain("\r\nHost: TARGET\r\n");
  expect(text).not.toContain("secret");
});

test.each([
  ["GET", "Content-Length: 5", "Content-Length: 5", "hello"],
  ["POST", "Content-Length: 5", "Content-Length: 5", "hello"],
  ["POST", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"],
])("Connection cannot take away how the body of a %s is cut (%s)", async (method, header, kept, body) => {
  const named = "close, content-length, transfer-encoding, host, x-mine";
  const text = await passedOn(
    `${method} http://TARGET/ HTTP/1.1\r\nHost: TARGET\r\nX-Mine: 1\r\nX-Other: 2\r\nConnection: ${named}\r\n${header}\r\n\r\n${body}`,
  );
  const [, asked = ""] = text.split("\r\n\r\n");
  expect(asked).toContain(`\r\n${kept}`);
  expect(asked).toContain("\r\nHost: TARGET");
  expect(asked).toContain("\r\nX-Other: 2");
  expect(asked).not.toMatch(/x-mine/i);
  expect(text).toContain("hello");
});

test.each([
  [
    "a transfer coding that would have to be undone",
    "POST http://TARGET/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    501,
  ],
  ["both lengths", "POST http://TARGET/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400],
  [
    "a coding that does not end as chunked",
    "POST http://TARGET/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["a bare line feed in a header", "GET http://TARGET/ HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", 400],
  ["a blank before a colon", "GET http://TARGET/ HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", 400],
  ["another expectation", "POST http://TARGET/ HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n", 417],
  ["a TRACE that was to end here", "TRACE http://TARGET/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", 405],
  ["an OPTIONS that was to end here", "OPTIONS http://TARGET/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", 200],
])("%s is answered by the proxy itself", async (_name, request, status) => {
  const text = await passedOn(request);
  expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(text).not.toContain("TARGET");
});

test("an OPTIONS that may go on counts its hop", async () => {
  expect(await passedOn("OPTIONS http://TARGET/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\nConnection: close\r\n\r\n")).toContain(
    "\r\nMax-Forwards: 2\r\n",
  );
});

test("the target says whether a body that asks first may come", async () => {
  await using bench = new TunnelBench();
  const target = await bench.target((socket) => {
    let got = "";
    socket.on("data", (data) => {
      got += data.toString();
      if (got.endsWith("\r\n\r\n") && got.includes("/yes")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      else if (got.endsWith("\r\n\r\n")) socket.end("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
      else if (got.endsWith("body")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
    });
  });
  const { port } = await proxyOf(bench);
  const ask = async (path: string): Promise<{ said: string; socket: Socket }> => {
    const socket = await client(port);
    socket.write(
      `POST http://127.0.0.1:${target}${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n`,
    );
    const [first] = (await once(socket, "data")) as [Buffer];
    return { said: first.toString(), socket };
  };
  const yes = await ask("/yes");
  expect(yes.said).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  yes.socket.write("body");
  expect(await textOf(yes.socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*yes$/);
  const no = await ask("/no");
  expect(no.said + (await textOf(no.socket))).toMatch(/^HTTP\/1\.1 413 Too Large\r\n[\s\S]*connection: close[\s\S]*no$/i);
});

test("an answer before the end of a long body reaches the client, and the connection goes on", async () => {
  await using bench = new TunnelBench();
  await using target = await web((request, response) => {
    if (request.method === "GET") return void response.end("still here");
    response.writeHead(413, { connection: "close" });
    response.end("too large");
  });
  const { port, proxy } = await proxyOf(bench);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const upload = http.request({
    port,
    agent,
    method: "POST",
    path: `http://127.0.0.1:${target.port}/`,
    headers: { "content-length": 30_000_000 },
  });
  upload.on("error", () => undefined);
  const block = Buffer.alloc(1_000_000);
  for (let i = 0; i < 30; i += 1) upload.write(block);
  upload.end();
  const [refused] = (await once(upload, "response")) as [IncomingMessage];
  let text = "";
  for await (const part of refused) text += String(part);
  expect([refused.statusCode, text]).toEqual([413, "too large"]);
  const [second] = (await once(http.get({ port, agent, path: `http://127.0.0.1:${target.port}/` }), "response")) as [IncomingMessage];
  text = "";
  for await (const part of second) text += String(part);
  expect(text).toBe("still here");
  agent.destroy();
  await expect.poll(() => proxy.stats().connections).toBe(0);
});

test("requests that one connection asks at once are answered in order, with one connection to the target at a time, and not without bound", async () => {
  await using bench = new TunnelBench();
  let open = 0;
  let most = 0;
  await using target = await web((request, response) => {
    setImmediate(() => response.end(request.url));
  });
  target.server.on("connection", (socket) => {
    open += 1;
    most = Math.max(most, open);
    socket.on("close", () => (open -= 1));
  });
  const { port } = await proxyOf(bench);
  const ask = (index: number, last = false): string =>
    `GET http://127.0.0.1:${target.port}/${index} HTTP/1.1\r\nHost: a\r\n${last ? "Connection: close\r\n" : ""}\r\n`;
  const socket = await client(port);
  socket.write(Array.from({ length: 20 }, (_, index) => ask(index, index === 19)).join(""));
  const text = await textOf(socket);
  const order = [...text.matchAll(/\r\n(?:[0-9a-f]+\r\n)?(\/\d+)(?=\r\n|HTTP|$)/g)].map(([, path]) => path);
  expect(order).toEqual(Array.from({ length: 20 }, (_, index) => `/${index}`));
  expect(most).toBeLessThanOrEqual(2);
  const greedy = await client(port);
  greedy.write(Array.from({ length: 500 }, (_, index) => ask(index)).join(""));
  await textOf(greedy);
  expect(most).toBeLessThanOrEqual(2);
});

test("an answer whose transfer coding cannot be passed on, or whose head is no head, is 502", async () => {
  await using bench = new TunnelBench();
  const { port } = await proxyOf(bench);
  for (const head of ["Transfer-Encoding: gzip, chunked", "Content-Length: 3\r\nTransfer-Encoding: chunked", "X: a\rb"]) {
    const target = await bench.target((socket) => socket.once("data", () => socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n0\r\n\r\n`)));
    const socket = await client(port);
    socket.write(`GET http://127.0.0.1:${target}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(await textOf(socket), head).toMatch(/^HTTP\/1\.1 502 /);
  }
});

test("a client that was refused and does not leave is not kept", async () => {
  await using bench = new TunnelBench();
  const { port } = await proxyOf(bench);
  const proxy = await bench.proxy([await bench.gateway()]);
  const socks = portOf(await proxy.socks5(LOOPBACK));
  const requests = [
    [port, "CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: a\r\n\r\n"],
    [socks, "\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50"],
    [socks, "\x05\x01\x02"],
  ] as const;
  await Promise.all(
    requests.map(async ([at, request]) => {
      const socket = await client(at);
      socket.write(Buffer.from(request, "latin1"));
      await once(socket.resume(), "end");
      // It does not end its own side; what it writes when nobody is there any more breaks it off.
      const isGone = (): boolean => !socket.write("x") || socket.destroyed;
      await expect.poll(isGone).toBe(true);
    }),
  );
});
