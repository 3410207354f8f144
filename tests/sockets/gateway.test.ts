import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { Agent } from "kwik/http";
import { connect, type KwikSocket } from "kwik/net";
import { afterEach, expect, test } from "vitest";
import { startGateway, type TestGateway } from "./test-gateway.ts";
import { textOf } from "./worlds.ts";

const ending: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function behind(target: net.Server): Promise<{ gate: TestGateway; port: number; open(host?: string, port?: number): KwikSocket }> {
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const { port } = target.address() as AddressInfo;
  const gate = await startGateway();
  const dial = { trust: { pins: [gate.identity] } };
  ending.push(
    () => target.close(),
    () => gate.close(),
  );
  return {
    gate,
    port,
    open: (host = "inner.example", at = port) => connect({ gateway: gate.url, host, port: at, dial, allowHalfOpen: true }),
  };
}

test("a socket through a gateway: bulk both ways, half-close, the addresses of both ends", async () => {
  const sources: (number | undefined)[] = [];
  const { gate, port, open } = await behind(
    net.createServer({ allowHalfOpen: true }, (socket) => {
      sources.push(socket.remotePort);
      socket.pipe(socket);
    }),
  );
  const [socket, other] = [open(), open("127.0.0.1")];
  await Promise.all([once(socket, "connect"), once(other, "connect")]);
  expect([socket.remoteAddress, socket.remotePort, socket.localAddress]).toEqual(["inner.example", port, "127.0.0.1"]);
  expect(sources).toContain(socket.localPort);
  const text = "x".repeat(3_000_000);
  socket.end(text);
  other.end("short");
  expect(await Promise.all([textOf(socket), textOf(other)])).toEqual([text, "short"]);
  expect(gate.sessions()).toBe(1);
});

test("destroy is an end for the target, a reset is one, and the target's reset is ECONNRESET here", async () => {
  const accepted: net.Socket[] = [];
  const target = net.createServer((socket) => accepted.push(socket));
  const { open } = await behind(target);
  const next = async (): Promise<[KwikSocket, net.Socket]> => {
    const socket = open();
    await Promise.all([once(socket, "connect"), once(target, "connection")]);
    return [socket, accepted.at(-1) as net.Socket];
  };
  const [first, firstEnd] = await next();
  first.write("last");
  first.destroy();
  expect(await textOf(firstEnd)).toBe("last");
  const [second, secondEnd] = await next();
  const broken = once(secondEnd.resume(), "error");
  second.resetAndDestroy();
  expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
  const [third, thirdEnd] = await next();
  const failed = once(third.resume(), "error");
  thirdEnd.resetAndDestroy();
  expect((await failed)[0]).toMatchObject({ code: "ECONNRESET" });
});

test("what the gateway says of a target is the code of the error", async () => {
  const { open, port } = await behind(net.createServer());
  for (const [host, at, expected] of [
    [
      "inner.example",
      1,
      { code: "ECONNREFUSED", syscall: "connect", address: "inner.example", port: 1, cause: { refusal: "connection-refused" } },
    ],
    ["no.invalid", port, { code: "ENOTFOUND", syscall: "getaddrinfo", cause: { refusal: "name-not-found" } }],
    ["192.0.2.1", port, { code: "ECONNREFUSED", cause: { refusal: "not-allowed" } }],
  ] as const) {
    expect((await once(open(host, at), "error"))[0]).toMatchObject(expected);
  }
});

test("an http.Agent through a gateway", async () => {
  const web = http.createServer((request, response) => response.end(`${request.headers.host}`));
  const { gate, port } = await behind(web);
  const agent = new Agent({ gateway: gate.url, dial: { trust: { pins: [gate.identity] } } });
  const [response] = (await once(http.get(`http://inner.example:${port}/`, { agent }), "response")) as [http.IncomingMessage];
  expect(await textOf(response as never)).toBe(`inner.example:${port}`);
});
