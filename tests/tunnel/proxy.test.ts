import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { portOf, textOf, TunnelBench } from "./gateway-pair.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

async function client(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return socket;
}

/** The next bytes that a socket brings, as hex. */
function next(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("data", (data: Buffer) => {
      socket.pause();
      resolve(data.toString("hex"));
    });
    socket.once("close", () => resolve("closed"));
    socket.resume();
  });
}

/** At least so many bytes that a socket brings, as hex. */
async function reads(socket: Socket, bytes: number): Promise<string> {
  let hex = "";
  while (hex.length < bytes * 2) hex += await next(socket);
  return hex;
}

const socksConnect = (port: number): Buffer => Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]);

test("200 connections at once go through one session, each gets its own bytes, and nothing is left", async () => {
  await using bench = new TunnelBench();
  const target = await bench.target((socket) => socket.pipe(socket));
  const gateway = await bench.gateway({ allow: ["127.0.0.1:*"] });
  const proxy = await bench.proxy([gateway]);
  const port = portOf(await proxy.forward(LOOPBACK, { kind: "tcp", host: "127.0.0.1", port: target }));
  const texts = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const socket = await client(port);
      socket.end(`${index} `.repeat(1_000));
      return textOf(socket);
    }),
  );
  for (const [index, text] of texts.entries()) expect(text).toBe(`${index} `.repeat(1_000));
  expect(gateway.sessions).toHaveLength(1);
  await expect.poll(() => proxy.stats().connections + gateway.gateway.stats().connections).toBe(0);
  await expect.poll(() => (proxy.session?.stats().openStreams ?? 0) + (gateway.sessions[0]?.stats().openStreams ?? 0)).toBe(0);
  expect(proxy.stats()).toMatchObject({ closedTotal: 200, refusedTotal: {} });
});

test("SOCKS5 answers each refusal with its own reply", async () => {
  await using bench = new TunnelBench();
  const target = await bench.target((socket) => socket.pipe(socket));
  const gateway = await bench.gateway({
    allow: [`127.0.0.1:${target}`, "127.0.0.1:1", "missing.example:80"],
    resolve: () => Promise.reject(new Error("no such name")),
  });
  const proxy = await bench.proxy([gateway]);
  const port = portOf(await proxy.socks5(LOOPBACK));
  const replyTo = async (request: readonly number[]): Promise<string> => {
    const socket = await client(port);
    socket.write(Buffer.from([5, 1, 0, ...request]));
    const text = Buffer.from(await textOf(socket), "latin1").toString("hex");
    return text.slice(4, 8);
  };
  const name = [...Buffer.from("missing.example")];
  expect(await replyTo([5, 1, 0, 1, 10, 0, 0, 1, 0, 80])).toBe("0502"); // not allowed
  expect(await replyTo([5, 1, 0, 3, name.length, ...name, 0, 80])).toBe("0504"); // no such name
  expect(await replyTo([5, 1, 0, 1, 127, 0, 0, 1, 0, 1])).toBe("0505"); // refused
  expect(await replyTo([5, 2, 0, 1, 127, 0, 0, 1, 0, 1])).toBe("0507"); // BIND
  expect(await replyTo([5, 1, 0, 9, 127, 0, 0, 1, 0, 1])).toBe("0508"); // no such kind of address
  expect(await replyTo([5, 1, 0, 1, 127, 0, 0, 1, 0, 0])).toBe("0501"); // port 0
  expect(await replyTo([5, 1, 0, 3, 3, 0x61, 0x20, 0x62, 0, 80])).toBe("0501"); // no host
  expect(await replyTo([5, 3, 0, 1, 0, 0, 0, 0, 0, 0])).toBe("0507"); // no UDP at this gateway
  const working = await client(port);
  working.write(socksConnect(target));
  working.end("payload at once");
  expect((await textOf(working)).slice(12)).toBe("payload at once");
  await expect.poll(() => proxy.stats().connections).toBe(0);
});

test("what is no SOCKS, a slow handshake, and an end within it close the connection and leave nothing", async () => {
  await using bench = new TunnelBench();
  const proxy = await bench.proxy([await bench.gateway()], { limits: { handshakeTimeoutMs: 60 } });
  const port = portOf(await proxy.socks5(LOOPBACK));
  for (const bytes of [
    "GET / HTTP/1.1\r\n\r\n",
    "\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
    "\x05",
    "\x05\x01\x00\x05\x01",
    "\x05\x01\x00\x04",
  ]) {
    const socket = await client(port);
    socket.write(Buffer.from(bytes, "latin1"));
    expect((await textOf(socket)).length).toBeLessThanOrEqual(2);
  }
  const ended = await client(port);
  ended.end(Buffer.from([5, 1]));
  expect(await textOf(ended)).toBe("");
  const offersNothing = await client(port);
  offersNothing.write(Buffer.from([5, 1, 2]));
  expect(Buffer.from(await textOf(offersNothing), "latin1").toString("hex")).toBe("05ff");
  expect(proxy.stats().connections).toBe(0);
});

test("a user and a password are asked for where there are users", async () => {
  await using bench = new TunnelBench();
  const target = await bench.target((socket) => socket.end("hello"));
  const proxy = await bench.proxy([await bench.gateway({ allow: ["127.0.0.1:*"] })], { users: ["me:secret"] });
  const port = portOf(await proxy.socks5(LOOPBACK));
  const login = (password: string): Buffer => Buffer.from([5, 1, 2, 1, 2, ...Buffer.from("me"), password.length, ...Buffer.from(password)]);
  const wrong = await client(port);
  wrong.write(login("guess"));
  expect(Buffer.from(await textOf(wrong), "latin1").toString("hex")).toBe("0502" + "0101");
  const right = await client(port);
  right.end(Buffer.concat([login("secret"), socksConnect(target).subarray(3)]));
  expect((await textOf(right)).slice(-5)).toBe("hello");
  const nobody = await client(port);
  nobody.write(Buffer.from([5, 1, 0]));
  expect(Buffer.from(await textOf(nobody), "latin1").toString("hex")).toBe("05ff");
  expect(proxy.stats().refusedTotal).toEqual({ auth: 1, "bad-request": 1 });
  const http = await client(portOf(await proxy.http(LOOPBACK)));
  http.write(`CONNECT 127.0.0.1:${target} HTTP/1.1\r\n\r\n`);
  expect(await textOf(http)).toMatch(/^HTTP\/1\.1 407 [\s\S]*proxy-authenticate: Basic realm/);
});

test("UDP ASSOCIATE carries datagrams both ways, and ends with its connection", async () => {
  await using bench = new TunnelBench();
  const echo = createSocket("udp4", (message, from) => echo.send(`got ${message.toString()}`, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(0, "127.0.0.1", resolve));
  const gateway = await bench.gateway({ allow: [`udp/127.0.0.1:${echo.address().port}`] });
  const proxy = await bench.proxy([gateway]);
  const control = await client(portOf(await proxy.socks5(LOOPBACK)));
  control.write(Buffer.from([5, 1, 0]));
  expect(await next(control)).toBe("0500");
  control.write(Buffer.from([5, 3, 0, 1, 0, 0, 0, 0, 0, 0]));
  const reply = Buffer.from(await next(control), "hex");
  expect(reply.subarray(0, 8).toString("hex")).toBe("050000017f000001");
  const local = createSocket("udp4");
  const answer = new Promise<string>((resolve) => local.once("message", (message) => resolve(message.toString("latin1"))));
  const port = echo.address().port;
  const head = Buffer.from([0, 0, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]);
  local.send(Buffer.concat([head, Buffer.from("hello")]), reply.readUInt16BE(8), "127.0.0.1");
  expect(await answer).toBe(`${head.toString("latin1")}got hello`);
  expect(gateway.gateway.stats().associations).toBe(1);
  control.destroy();
  await expect.poll(() => proxy.stats().connections + gateway.gateway.stats().associations).toBe(0);
  local.close();
  echo.close();
});

test.each([
  ["no proxy request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["CONNECT to what is no host", "CONNECT a/b:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01", 400],
  ["a header bomb", `GET http://a/ HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(10_000)}\r\n`, 431],
  ["one endless header", `CONNECT a:80 HTTP/1.1\r\nX: ${"y".repeat(40_000)}\r\n\r\n`, 431],
  ["two lengths", "POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
  ["a head that never ends", "GET http://a/ HTTP/1.1\r\nHost:", 408],
  ["a forbidden target", "GET http://10.0.0.1/ HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", 403],
  ["CONNECT to a forbidden target", "CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: a\r\n\r\n", 403],
  ["a name that does not resolve", "CONNECT missing.example:80 HTTP/1.1\r\nHost: a\r\n\r\n", 502],
  ["a target that takes no connection", "GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: a\r\n\r\n", 502],
  ["a target that hangs", "GET http://hangs.example/ HTTP/1.1\r\nHost: a\r\n\r\n", 504],
])("the HTTP proxy answers %s", async (_name, request, status) => {
  await using bench = new TunnelBench();
  const gateway = await bench.gateway({
    allow: ["missing.example:80", "hangs.example:80", "127.0.0.1:1"],
    resolve: (name) => (name === "hangs.example" ? new Promise(() => undefined) : Promise.reject(new Error("no such name"))),
    limits: { connectTimeoutMs: 100 },
  });
  const proxy = await bench.proxy([gateway], { limits: { handshakeTimeoutMs: 500 } });
  const socket = await client(portOf(await proxy.http(LOOPBACK)));
  socket.write(Buffer.from(request, "latin1"));
  expect(await textOf(socket)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  await expect.poll(() => proxy.stats().connections + gateway.gateway.stats().connections).toBe(0);
});

test("the HTTP proxy passes a request on in origin form, with its body, and without the headers of one hop", async () => {
  await using bench = new TunnelBench();
  const target = await bench.target((socket) => {
    let got = "";
    socket.on("data", (data) => {
      got += data.toString();
      if (!got.endsWith("\r\n0\r\n\r\n")) return;
      const body = got;
      socket.end(`HTTP/1.1 200 Fine\r\nX-Answer: 1\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
  });
  const proxy = await bench.proxy([await bench.gateway({ allow: ["127.0.0.1:*"] })]);
  const socket = await client(portOf(await proxy.http(LOOPBACK)));
  socket.write(
    `POST http://127.0.0.1:${target}/path?q=1 HTTP/1.1\r\nHost: other\r\nConnection: close\r\nProxy-Connection: x\r\nX-Case: Y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  );
  const text = await textOf(socket);
  expect(text).toMatch(/^HTTP\/1\.1 200 Fine\r\n/);
  expect(text).toContain("X-Answer: 1\r\n");
  expect(text.split("\r\n\r\n")[0]).not.toMatch(/x-hop/i);
  expect(text).toContain("POST /path?q=1 HTTP/1.1\r\n");
  expect(text).toContain(`Host: 127.0.0.1:${target}\r\n`);
  expect(text).toContain("X-Case: Y\r\n");
  expect(text).toContain("3\r\nabc\r\n0\r\n\r\n");
  expect(text).not.toMatch(/other|proxy-connection/i);
});

test("connections are spread over the gateways, survive the other's end, and new ones go to who is left", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target((socket) => socket.pipe(socket));
  const gateways = [await bench.gateway({ allow: ["127.0.0.1:*"] }), await bench.gateway({ allow: ["127.0.0.1:*"] })];
  const proxy = await bench.proxy(gateways);
  await expect.poll(() => proxy.session?.stats().paths.filter((path) => path.state === "active").length).toBe(2);
  const local = portOf(await proxy.forward(LOOPBACK, { kind: "tcp", host: "127.0.0.1", port }));
  const echo = async (socket: Socket, text: string): Promise<string> => {
    socket.write(text);
    return Buffer.from(await next(socket), "hex").toString();
  };
  const first = await client(local);
  expect(await echo(first, "one")).toBe("one");
  const second = await client(local);
  expect(await echo(second, "two")).toBe("two");
  expect(gateways.map(({ gateway }) => gateway.stats().connections)).toEqual([1, 1]);
  const broken = [first, second].map((socket) => new Promise((resolve) => socket.resume().once("close", resolve)));
  await gateways[0]?.server.listener.close();
  await Promise.race(broken);
  const open = [first, second].filter((socket) => !socket.destroyed);
  expect(open).toHaveLength(1);
  expect(await echo(open[0] as Socket, "three")).toBe("three");
  expect(await echo(await client(local), "four")).toBe("four");
  expect(gateways[1]?.gateway.stats().connections).toBe(2);
});

test("a gateway that drains is passed over by those who wait for the answer", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target((socket) => socket.end("hello"));
  const gateways = [await bench.gateway({ allow: ["127.0.0.1:*"] }), await bench.gateway({ allow: ["127.0.0.1:*"] })];
  const proxy = await bench.proxy(gateways);
  await expect.poll(() => proxy.session?.stats().paths.filter((path) => path.state === "active").length).toBe(2);
  await gateways[0]?.gateway.drain(0);
  const local = portOf(await proxy.socks5(LOOPBACK));
  for (let i = 0; i < 4; i += 1) {
    const socket = await client(local);
    socket.end(socksConnect(port));
    expect((await textOf(socket)).slice(-5)).toBe("hello");
  }
  expect(gateways[1]?.gateway.stats().connectedTotal).toBe(4);
});

test("when the session ends the next is dialled, and who comes meanwhile waits for it, or hears why not", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target((socket) => socket.end("hello"));
  const gateways = [await bench.gateway({ allow: ["127.0.0.1:*"] }), await bench.gateway({ allow: ["127.0.0.1:*"] })] as const;
  let current = 0;
  const mayDial = Promise.withResolvers<void>();
  const proxy = await bench.proxy(gateways, {
    dial: async () => {
      if (current > 0) await mayDial.promise;
      return bench.cluster.dial(gateways[current]?.server as (typeof gateways)[0]["server"]);
    },
    limits: { sessionWaitMs: 150 },
  });
  const local = portOf(await proxy.socks5(LOOPBACK));
  current = 1;
  await gateways[0].sessions[0]?.closeWithError(7, "over");
  await expect.poll(() => proxy.stats().isConnected).toBe(false);
  const early = await client(local);
  early.write(socksConnect(port));
  expect(
    Buffer.from(await textOf(early), "latin1")
      .toString("hex")
      .slice(4, 8),
  ).toBe("0503");
  const waiting = await client(local);
  waiting.end(socksConnect(port));
  const text = textOf(waiting);
  mayDial.resolve();
  expect((await text).slice(-5)).toBe("hello");
  expect(proxy.stats()).toMatchObject({ sessions: 2, isConnected: true, refusedTotal: { "no-gateway": 1 } });
});

test("a session that ends while a gateway is asked costs the client nothing: the next one is asked", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target((socket) => socket.end("hello"));
  const asked = Promise.withResolvers<void>();
  const hanging = await bench.gateway({
    allow: ["target.example:*", "127.0.0.0/8:*"],
    resolve: () => {
      asked.resolve();
      return new Promise(() => undefined);
    },
  });
  const working = await bench.gateway({ allow: ["target.example:*", "127.0.0.0/8:*"], resolve: () => Promise.resolve(["127.0.0.1"]) });
  let dials = 0;
  const proxy = await bench.proxy([hanging], {
    dial: () => {
      dials += 1;
      return bench.cluster.dial(dials === 1 ? hanging.server : working.server);
    },
  });
  const socket = await client(portOf(await proxy.socks5(LOOPBACK)));
  const name = Buffer.from("target.example");
  socket.end(Buffer.concat([Buffer.from([5, 1, 0, 5, 1, 0, 3, name.length]), name, Buffer.from([port >> 8, port & 255])]));
  const text = textOf(socket);
  await asked.promise;
  await hanging.sessions[0]?.closeWithError(7, "over");
  expect((await text).slice(-5)).toBe("hello");
  expect(dials).toBe(2);
  await expect.poll(() => hanging.gateway.stats().connections).toBe(0);
});

test("a connection beyond the streams that a gateway allows hears so in time, and a client that leaves meanwhile is counted as such", async () => {
  await using bench = new TunnelBench();
  const port = await bench.target(() => undefined);
  const gateway = await bench.gateway({ allow: ["127.0.0.1:*"] }, { limits: { maxStreams: 2 } });
  const proxy = await bench.proxy([gateway], { limits: { connectTimeoutMs: 200 } });
  const socks = portOf(await proxy.socks5(LOOPBACK));
  const open = async (): Promise<Socket> => {
    const socket = await client(socks);
    socket.write(socksConnect(port));
    return socket;
  };
  const sockets: Socket[] = [];
  let reply = "";
  // A client may open a few before it has heard of the limit, whatever that is.
  for (; sockets.length < 200 && !reply.startsWith("05000506"); reply = await reads(sockets.at(-1) as Socket, 12))
    sockets.push(await open());
  expect(reply.slice(0, 8)).toBe("05000506");
  const leaving = await open();
  await next(leaving);
  leaving.resetAndDestroy();
  await expect.poll(() => proxy.stats().refusedTotal).toEqual({ "timed-out": 1, "client-gone": 1 });
  for (const socket of sockets) socket.destroy();
});

test("UDP ASSOCIATE serves the port that its request names, and no other", async () => {
  await using bench = new TunnelBench();
  const echo = createSocket("udp4", (message, from) => echo.send(message, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(0, "127.0.0.1", resolve));
  const { port } = echo.address();
  const proxy = await bench.proxy([await bench.gateway({ allow: [`udp/127.0.0.1:${port}`] })]);
  const control = await client(portOf(await proxy.socks5(LOOPBACK)));
  const [mine, stranger] = [createSocket("udp4"), createSocket("udp4")];
  for (const socket of [mine, stranger]) await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port: myPort } = mine.address();
  control.write(Buffer.from([5, 1, 0]));
  expect(await next(control)).toBe("0500");
  control.write(Buffer.from([5, 3, 0, 1, 127, 0, 0, 1, myPort >> 8, myPort & 255]));
  const reply = Buffer.from(await next(control), "hex");
  const relayPort = reply.readUInt16BE(8);
  const got: string[] = [];
  mine.on("message", (message) => got.push(message.toString("latin1").slice(-3)));
  stranger.on("message", () => got.push("stranger"));
  const head = Buffer.from([0, 0, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]);
  await new Promise((resolve) => stranger.send(Buffer.concat([head, Buffer.from("bad")]), relayPort, "127.0.0.1", resolve));
  await new Promise((resolve) => mine.send(Buffer.concat([head, Buffer.from("one")]), relayPort, "127.0.0.1", resolve));
  await expect.poll(() => got).toEqual(["one"]);
  control.destroy();
  for (const socket of [mine, stranger, echo]) socket.close();
});
