import { request as httpsRequest } from "node:https";
import type { Link, WebOptions } from "@kwik/core";
import { tcpTransport } from "@kwik/transport-tcp";
import type { TcpTransportOptions } from "@kwik/transport-tcp";
import { webSocketOver, webSocketTransport } from "@kwik/transport-websocket";
import { makeSelfSigned } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { offerWebSocket } from "./foreign-websocket.ts";
import { LinkPeers } from "./link-peers.ts";
import type { Served } from "./link-peers.ts";
import { connectRaw } from "./raw-connection.ts";
import type { RawConnection } from "./raw-connection.ts";
import { cluster, selfSigned } from "./tls-material.ts";
import type { ServerMaterial } from "./tls-material.ts";

// kwik over TCP and kwik over WebSocket on one port: ALPN tells who is meant.

const mine = await selfSigned();
const peers = new LinkPeers(tcpTransport);
afterEach(() => peers.close());

const serve = (options: TcpTransportOptions = {}, more: { port?: number; web?: WebOptions } = {}): Promise<Served> =>
  peers.serve(mine, { http: webSocketOver(), ...options }, more);

const overWebSocket = (port: number, more: object = {}): Promise<Link> =>
  peers.dial({ port, identity: mine.identity, ...more }, webSocketTransport());

const transportsOf = (server: Served): string[] => server.links.map((link) => link.properties.transport);

/** Status and text of a plain request. */
function ask(port: number, path: string, alpn: string[] | undefined): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, rejectUnauthorized: false, agent: false, ...(alpn && { ALPNProtocols: alpn }) };
    const request = httpsRequest(options, (response) => {
      let text = "";
      response.on("data", (data) => (text += String(data)));
      response.on("end", () => resolve({ status: response.statusCode, text }));
    });
    request.on("error", reject);
    request.end();
  });
}

const raw = async (port: number, alpn?: string[]): Promise<RawConnection> => peers.keep(await connectRaw(port, alpn));

test("one port takes kwik over TCP, kwik over WebSocket and requests of others, and stands garbage", async () => {
  const server = await serve();
  const { port } = server;
  const tcp = await peers.dial({ port, identity: mine.identity });
  const ws = await overWebSocket(port);
  expect([tcp, ws].map(({ properties }) => [properties.transport, properties.provenIdentity])).toEqual([
    ["tcp", mine.identity],
    ["websocket", mine.identity],
  ]);
  expect(transportsOf(server)).toEqual(["tcp", "websocket"]);
  expect(server.links.map((link) => link.capabilities.encrypted)).toEqual([true, true]);
  for (const alpn of [["http/1.1"], undefined]) {
    expect(await ask(port, "/kwik", alpn)).toMatchObject({ status: 426, text: expect.stringContaining("kwik.1 at /kwik") });
    expect(await ask(port, "/", alpn)).toMatchObject({ status: 404 });
  }
  const garbage = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 167 + 13) & 0xff));
  const knocks = [await raw(port), await raw(port, ["kwik/1"]), await raw(port, ["http/1.1"]), await raw(port, [])];
  for (const { socket } of knocks) socket.write(garbage);
  await Promise.all(knocks.map(({ closed }) => closed));
  expect(knocks[2]?.heard()).toMatch(/^HTTP\/1\.1 400 /);
  await expect(raw(port, ["h2"])).rejects.toThrow();
  expect([tcp, ws].every((link) => link.openCarrier() !== undefined)).toBe(true);
  await overWebSocket(port);
});

test("without somebody for HTTP, such connections are refused as before", async () => {
  const server = await peers.serve(mine);
  const outcome = await peers.failure({ port: server.port, identity: mine.identity }, webSocketTransport());
  expect(outcome).toMatch(/^NOT_KWIK: .*speaks TLS but not kwik/);
  await expect(ask(server.port, "/kwik", undefined)).rejects.toThrow();
  expect(server.links).toHaveLength(0);
});

test("a request for a proxy is answered with a no", async () => {
  const { port } = await serve();
  const { socket, closed, heard } = await raw(port, ["http/1.1"]);
  socket.write("CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n");
  await closed;
  expect(heard()).toMatch(/^HTTP\/1\.1 501 .*no proxy\.\n$/s);
});

test("path and origin are looked at as on a port of its own", async () => {
  const server = await serve({}, { web: { path: "/deep", allowOrigin: (origin) => origin === "https://good.example" } });
  const outcome = (path: string, origin?: string): Promise<string> =>
    peers.keep(offerWebSocket(server.port, { path, ...(origin !== undefined && { origin }) })).outcome;
  expect(await outcome("/kwik")).toBe("404");
  expect(await outcome("/deep")).toBe("open");
  expect(await outcome("/deep", "https://good.example")).toBe("open");
  expect(await outcome("/deep", "https://evil.example")).toBe("403");
  expect(server.notices.join()).toMatch(/refused a connection from 127\.0\.0\.1:\d+: pages of its origin/);
  await expect(serve({}, { web: { path: "x y" } })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a client that takes its time with its request is cut off, one that has a link is not", async () => {
  const server = await serve({ http: webSocketOver({ handshakeTimeoutMs: 300 }) });
  const link = await overWebSocket(server.port);
  const silent = await raw(server.port, ["http/1.1"]);
  const slow = await raw(server.port, ["http/1.1"]);
  slow.socket.write("GET /kwik HTTP/1.1\r\n");
  const drip = setInterval(() => slow.socket.write("X-A: b\r\n"), 50);
  await Promise.all([silent.closed, slow.closed]);
  clearInterval(drip);
  expect(slow.heard()).toMatch(/^HTTP\/1\.1 408 /);
  expect(link.openCarrier()).toBeDefined();
  expect(server.closes).toHaveLength(0);
});

test("crowds that have done their handshake and ask nothing do not keep others out", async () => {
  const server = await serve({ http: webSocketOver({ handshakeTimeoutMs: 60_000 }) });
  const before = [await overWebSocket(server.port), await peers.dial({ port: server.port, identity: mine.identity })];
  const first = await raw(server.port, ["http/1.1"]);
  const crowd = await Promise.all(Array.from({ length: 256 }, () => raw(server.port, ["http/1.1"])));
  await first.closed;
  await overWebSocket(server.port);
  expect(crowd.at(-1)?.socket.destroyed).toBe(false);
  expect(before.map((link) => link.openCarrier() !== undefined)).toEqual([true, true]);
  expect(server.closes).toHaveLength(0);
  expect(server.notices.join()).toMatch(/more than 256 undecided connections/);
});

test("the connections of both count together", async () => {
  const server = await serve({ maxConnections: 2 });
  await peers.dial({ port: server.port, identity: mine.identity });
  await overWebSocket(server.port);
  expect(await peers.failure({ port: server.port, identity: mine.identity }, webSocketTransport())).toMatch(/^UNREACHABLE/);
  expect(server.notices.join()).toMatch(/2 connections already/);
});

test("client certificates are asked for and judged once, for both", async () => {
  const alpha = await cluster(["localhost"]);
  const [member] = alpha.servers as [ServerMaterial];
  const server = await serve({ clientCa: alpha.ca });
  const { port } = server;
  await overWebSocket(port, { clientCertificate: member });
  await overWebSocket(port);
  const stranger = await makeSelfSigned();
  const request = { port, identity: mine.identity, clientCertificate: stranger };
  expect(await peers.failure(request, webSocketTransport())).not.toBe("connected");
  expect(server.links.map((link) => link.properties.clientIdentity)).toEqual([member.identity, undefined]);
  expect(server.notices.join()).toMatch(/client certificate does not verify/);
});

test("closing ends all, at every stage, and frees the port", async () => {
  const server = await serve();
  const { port } = server;
  await peers.dial({ port, identity: mine.identity });
  await overWebSocket(port);
  const inHandshake = await raw(port);
  const inRequest = await raw(port, ["http/1.1"]);
  inRequest.socket.write("GET /kwik HTTP/1.1\r\n");
  const started = performance.now();
  await server.listener.close();
  expect(performance.now() - started).toBeLessThan(4_000);
  await Promise.all([inHandshake.closed, inRequest.closed]);
  // In order, not by cutting them off.
  expect(server.closes.map(({ remote, reason }) => [remote, reason])).toEqual(Array(2).fill([false, "the server has shut down"]));
  await serve({}, { port });
  await overWebSocket(port);
});

test("each listener has an acceptor of its own, and none is left where it cannot bind", async () => {
  const made: string[] = [];
  const options: TcpTransportOptions = {
    http: () => {
      const name = `acceptor ${made.length}`;
      made.push(name);
      return {
        accept: () => {
          throw new Error("a fault above");
        },
        close: () => {
          made[made.indexOf(name)] = `${name} closed`;
          return Promise.resolve();
        },
      };
    },
  };
  const server = await peers.serve(mine, options);
  await expect(peers.serve(mine, options, { port: server.port })).rejects.toMatchObject({ code: "IO" });
  expect(made).toEqual(["acceptor 0", "acceptor 1 closed"]);
  const failing = await raw(server.port, ["http/1.1"]);
  await failing.closed;
  expect(server.notices.join()).toMatch(/a fault above/);
  await server.listener.close();
  expect(made).toEqual(["acceptor 0 closed", "acceptor 1 closed"]);
  await expect(peers.serve(mine, { ...options, dangerouslyPlaintext: true })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
