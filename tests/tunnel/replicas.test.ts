import { connect } from "node:net";
import type { ClientSession } from "@kwik/core";
import type { GatewayEvent } from "@kwik/gateway";
import { patternBytes } from "@kwik/testkit";
import { openTunnel } from "@kwik/tunnel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cluster, type ServerMaterial } from "../compliance/tls-material.ts";
import { type TestGateway, TunnelBench } from "./gateway-pair.ts";
import { BLOCK, expectFilm, FILM, GET, MiB, Replicas, TARGET } from "./replicas.ts";
import { exchange, type OriginFile, TestOrigin } from "./test-origin.ts";

test("a response comes from the origins of all gateways, byte for byte what the origin sends", async () => {
  await using replicas = await Replicas.start();
  const direct = await exchange((replicas.origins[0] as TestOrigin).port, GET);
  replicas.origins[0]?.requests.splice(0);
  const response = await exchange(replicas.port, GET);
  expect(Buffer.compare(response, direct)).toBe(0);
  expect(replicas.eventsOf("content-offered")).toHaveLength(1);
  for (const index of replicas.others) expect(replicas.gateways[index]?.gateway.origins.stats().rangeBytes).toBeGreaterThanOrEqual(BLOCK);
});

test("requests of one connection are answered one after the other, also when they are asked at once", async () => {
  await using replicas = await Replicas.start();
  for (const origin of replicas.origins) origin.files.set("/small", { data: Buffer.from("small"), etag: '"s"' });
  const ask = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: films.example\r\n${more}\r\n`;
  const all = ask("/small") + ask("/film") + ask("/small") + ask("/film", "Connection: close\r\n");
  const direct = await exchange((replicas.origins[0] as TestOrigin).port, all);
  expect(Buffer.compare(await exchange(replicas.port, all), direct)).toBe(0);
  // What was asked at once passes as it is.
  expect(replicas.eventsOf("content-offered")).toEqual([]);
});

test("requests of one connection that wait for each other are offered each", async () => {
  await using replicas = await Replicas.start();
  const head = (await exchange((replicas.origins[0] as TestOrigin).port, GET)).length - FILM.length;
  const socket = connect(replicas.port, "127.0.0.1");
  const ask = "GET /film HTTP/1.1\r\nHost: films.example\r\n\r\n";
  const got: Buffer[] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    socket.write(ask);
    let bytes = 0;
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      got.push(chunk);
      bytes += chunk.length;
      // Without "Connection: close" the head has another line.
      if (bytes >= FILM.length + head - 19 && Buffer.concat(got).subarray(-4).equals(FILM.subarray(-4))) break;
    }
  }
  socket.destroy();
  expect(Buffer.concat(got).toString("latin1").split("HTTP/1.1 200 OK")).toHaveLength(4);
  expect(replicas.eventsOf("content-offered")).toHaveLength(3);
});

test("a response that is asked for while the one before is still under way comes behind it, and its connection lives as long", async () => {
  await using replicas = await Replicas.start(1, { limits: { idleTimeoutMs: 1_000 } });
  const [origin] = replicas.origins as [TestOrigin];
  // The last block is held: the second head goes out when the client has so much of the first body that its credit reaches behind it.
  const data = FILM.subarray(0, 4 * MiB);
  for (const path of ["/film", "/other"]) origin.files.set(path, { data, etag: '"v1"' });
  const gates = { "/film": Promise.withResolvers<void>(), "/other": Promise.withResolvers<void>() };
  const asked = { "/film": 0, "/other": 0 };
  origin.beforeRange = (path, from) => {
    const name = path as keyof typeof gates;
    asked[name] += 1;
    return asked[name] === 1 || (name === "/film" && from < data.length - BLOCK) ? Promise.resolve() : gates[name].promise;
  };
  const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: films.example\r\n\r\n`;
  const head = (await exchange(origin.port, ask("/film"), 1)).indexOf("\r\n\r\n") + 4;
  const socket = connect(replicas.port, "127.0.0.1");
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.length)).on("error", () => undefined);
  const told = (type: string): string[] =>
    replicas.eventsOf(type).map((event) => (event as { content: string }).content.split(" ")[2] ?? "");
  socket.write(ask("/film"));
  await expect.poll(() => told("content-hashed"), { timeout: 30_000 }).toEqual(["/film"]);
  socket.write(ask("/other"));
  await expect.poll(() => told("content-offered"), { timeout: 30_000 }).toEqual(["/film", "/other"]);
  gates["/film"].resolve();
  await expect.poll(() => told("content-over"), { timeout: 30_000 }).toEqual(["/film"]);
  await expect.poll(() => asked["/other"], { timeout: 30_000 }).toBeGreaterThan(1);
  // Longer than a connection at rest lives, as two that come one after the other show; this one waits for ranges.
  for (let i = 0; i < 2; i += 1) await endOfOneAtRest(replicas.port);
  gates["/other"].resolve();
  await expect.poll(() => bytes, { timeout: 30_000 }).toBe(2 * (head + data.length));
  await expect.poll(() => told("content-over"), { timeout: 30_000 }).toEqual(["/film", "/other"]);
  socket.destroy();
});

/** Opens a connection that stays in the middle of a request, and waits until it is ended for that. */
function endOfOneAtRest(port: number): Promise<unknown> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  socket.resume().write("GET /film HTTP/1.1\r\n");
  return new Promise((resolve) => socket.on("close", resolve));
}

describe("what passes as it is", () => {
  let replicas: Replicas;
  beforeAll(async () => {
    replicas = await Replicas.start(2);
    const files: Record<string, OriginFile> = {
      "/weak": { data: FILM, etag: 'W/"v1"' },
      "/none": { data: FILM },
      "/small": { data: FILM.subarray(0, 4 * MiB - 1), etag: '"v1"' },
      "/empty": { data: Buffer.alloc(0), etag: '"v1"' },
      "/chunked": { data: FILM, etag: '"v1"', headers: { "Transfer-Encoding": "chunked" } },
      "/gzip": { data: FILM, etag: '"v1"', headers: { "Content-Encoding": "gzip" } },
      "/vary": { data: FILM, etag: '"v1"', headers: { Vary: "Accept" } },
      "/cookie": { data: FILM, etag: '"v1"', headers: { "Set-Cookie": "a=b" } },
      "/private": { data: FILM, etag: '"v1"', headers: { "Cache-Control": "max-age=1, private" } },
      "/no-ranges": { data: FILM, etag: '"v1"', headers: { "Accept-Ranges": "none" } },
      "/ignores-ranges": { data: FILM, etag: '"v1"', ignoresRanges: true },
    };
    for (const origin of replicas.origins) for (const [path, file] of Object.entries(files)) origin.files.set(path, file);
  });
  afterAll(() => replicas[Symbol.asyncDispose]());

  const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: films.example\r\nConnection: close\r\n${more}\r\n`;
  test.each([
    ["a weak validator", get("/weak")],
    ["no validator", get("/none")],
    ["a small response", get("/small")],
    ["an empty response", get("/empty")],
    ["a chunked response", get("/chunked")],
    ["an encoded response", get("/gzip")],
    ["a response that varies", get("/vary")],
    ["a response with a cookie", get("/cookie")],
    ["a private response", get("/private")],
    ["an origin without ranges", get("/no-ranges")],
    ["an origin that ignores ranges", get("/ignores-ranges")],
    ["not found", get("/nothing")],
    ["HEAD", get("/film").replace("GET", "HEAD")],
    ["POST", `POST /film HTTP/1.1\r\nHost: films.example\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello`],
    ["a range", get("/film", "Range: bytes=100-5000000\r\n")],
    ["a conditional request", get("/film", 'If-None-Match: "v1"\r\n')],
    ["a condition that holds", get("/film", 'If-None-Match: "v0"\r\n')],
    ["a cookie", get("/film", "Cookie: a=b\r\n")],
    ["a user", get("/film", "Authorization: Basic YTpi\r\n")],
    ["HTTP/1.0", get("/film").replace("HTTP/1.1", "HTTP/1.0")],
    ["an absolute form", get("http://films.example/film")],
    ["an upgrade", get("/film", "Upgrade: websocket\r\n").replace("close", "close, upgrade")],
    ["a body of a GET", `GET /film HTTP/1.1\r\nHost: films.example\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello`],
    ["two hosts", get("/film", "Host: other.example\r\n")],
    ["no HTTP", "\u0016\u0003\u0001 is no request\r\n\r\n"],
    ["a long head", get("/film", `X-Long: ${"x".repeat(60_000)}\r\n`)],
  ])("%s", async (_name, request) => {
    const direct = await exchange((replicas.origins[0] as TestOrigin).port, request);
    expect(direct.length).toBeGreaterThan(0);
    expect(Buffer.compare(await exchange(replicas.port, request), direct)).toBe(0);
    expect(replicas.eventsOf("content-offered")).toEqual([]);
  });
});

describe("replicas that are not like the home's", () => {
  const flipped = (at: number): Buffer => {
    const data = Buffer.from(FILM);
    data[at] = (data[at] as number) ^ 1;
    return data;
  };

  test.each([
    ["another validator", { data: FILM, etag: '"v2"' }, "CONTENT_VERSION"],
    ["the same validator and another first block", { data: flipped(7), etag: '"v1"' }, "CONTENT_VERSION"],
    [
      "the same validator and another byte anywhere else",
      { data: Buffer.from(FILM.map((byte, at) => (at < BLOCK ? byte : byte ^ 1))), etag: '"v1"' },
      "CONTENT_CORRUPT",
    ],
    ["another length", { data: FILM.subarray(0, -1), etag: '"v1"' }, "CONTENT_VERSION"],
    ["a weak validator", { data: FILM, etag: 'W/"v1"' }, "CONTENT_NOT_FOUND"],
    ["no ranges", { data: FILM, etag: '"v1"', ignoresRanges: true }, "CONTENT_NOT_FOUND"],
  ])("%s: left out and named", async (_name, file, code) => {
    await using replicas = await Replicas.start(3);
    const told: string[] = [];
    const { session } = replicas.proxy;
    void (async () => {
      for await (const event of session?.events() ?? [])
        if (event.type === "source-isolated") told.push(`${event.code} ${event.path?.address ?? ""}`);
    })();
    const odd = replicas.gateways.length - 1;
    replicas.origins[odd]?.files.set("/film", file);
    expectFilm(await replicas.atFirst(GET));
    await expect.poll(() => told, { timeout: 30_000 }).toEqual([`${code} ${replicas.gateways[odd]?.server.address ?? ""}`]);
  });

  test("an origin that was behind and has caught up is a replica again, in the same session", async () => {
    await using replicas = await Replicas.start(2);
    replicas.origins[1]?.files.set("/film", { data: FILM, etag: '"v0"' });
    expectFilm(await replicas.atFirst(GET));
    expect(replicas.gateways[1]?.gateway.origins.stats().rangeBytes).toBe(0);
    replicas.origins[1]?.files.set("/film", { data: FILM, etag: '"v1"' });
    replicas.origins[0]?.requests.splice(0);
    expectFilm(await replicas.atFirst(GET));
    expect(replicas.origins[1]?.requests.length).toBeGreaterThan(2);
  });

  test("a replica whose origin changes on the way is left out from there on", async () => {
    await using replicas = await Replicas.start(2);
    const [, other] = replicas.origins as [TestOrigin, TestOrigin];
    let ranges = 0;
    other.beforeRange = async () => {
      ranges += 1;
      if (ranges === 4) other.files.set("/film", { data: flipped(3_000_000), etag: '"v2"' });
      await Promise.resolve();
    };
    expectFilm(await replicas.atFirst(GET));
    expect(ranges).toBeGreaterThanOrEqual(4);
  });

  test("an origin that dies, and one that does not answer, cost nothing but their share", async () => {
    await using replicas = await Replicas.start(3);
    const [, second, third] = replicas.origins as [TestOrigin, TestOrigin, TestOrigin];
    let ranges = 0;
    second.beforeRange = async () => {
      ranges += 1;
      if (ranges === 3) second.kill();
      await Promise.resolve();
    };
    third.beforeRange = () => new Promise(() => undefined);
    expectFilm(await replicas.atFirst(GET));
    expect(replicas.home).toBe(0);
  });
});

test("a home that dies when the hashes are there leaves the rest to the others", async () => {
  await using replicas = await Replicas.start(2);
  let release!: () => void;
  const held = new Promise<void>((resolve) => (release = resolve));
  let ranges = 0;
  for (const origin of replicas.origins)
    origin.beforeRange = () => {
      ranges += 1;
      return ranges > 8 ? held : Promise.resolve();
    };
  const response = replicas.atFirst(GET);
  response.catch(() => undefined);
  await expect.poll(() => replicas.eventsOf("content-hashed"), { timeout: 30_000 }).toHaveLength(1);
  // The last hashes and their root are on their way by then: the client answers what the home says next when it has read them.
  const [home] = replicas.gateways[0]?.sessions ?? [];
  const other = home?.allPaths().find(({ address }) => address === replicas.gateways[1]?.server.address);
  await home
    ?.sendRaw(new Uint8Array(1), other?.id ?? -1)
    .catch((error: unknown) => expect(error).toMatchObject({ code: "NOT_SUPPORTED", remote: true }));
  expect(home).toBeDefined();
  await expect.poll(() => ranges, { timeout: 30_000 }).toBeGreaterThan(8);
  await replicas.gateways[0]?.server.listener.close();
  release();
  expectFilm(await response);
});

test("https origins are believed by the authority that the gateway was given, and by no other", async () => {
  const { ca, servers } = await cluster(["127.0.0.1"], ["127.0.0.1"]);
  const stranger = await cluster(["127.0.0.1"]);
  await using bench = new TunnelBench();
  const gateways: TestGateway[] = [];
  for (const material of [...servers, stranger.servers[0] as ServerMaterial]) {
    const origin = await TestOrigin.start(material);
    bench.ends(origin);
    origin.files.set("/film", { data: FILM, etag: '"v1"' });
    gateways.push(await bench.gateway({ origins: [`films.example:80=https://127.0.0.1:${origin.port}`], originCa: ca }));
  }
  const proxy = await bench.proxy(gateways);
  while (proxy.session?.stats().paths.filter((path) => path.state === "active").length !== 3)
    await new Promise((resolve) => setTimeout(resolve, 5));
  const ask = async (index: number): Promise<Buffer> => {
    const { session } = proxy;
    const path = session?.stats().paths.find(({ address }) => address === gateways[index]?.server.address);
    const tunnel = await openTunnel(session as ClientSession, TARGET, { pathId: path?.id as number });
    await tunnel.connected;
    await tunnel.write(Buffer.from(GET));
    const got: Uint8Array[] = [];
    for (let data = await tunnel.read(); data !== null; data = await tunnel.read()) got.push(data);
    tunnel.close().catch(() => undefined);
    return Buffer.concat(got);
  };
  expectFilm(await ask(0));
  expect(gateways[1]?.gateway.origins.stats().rangeBytes).toBeGreaterThanOrEqual(BLOCK);
  expect(gateways[2]?.gateway.origins.stats().rangeBytes).toBe(0);
  expect(gateways[2]?.events.filter((event) => event.type === "replica-refused")).not.toEqual([]);
  await expect(ask(2)).rejects.toMatchObject({ refusal: "failed", message: expect.stringMatching(/no TLS with the origin/) });
});

test("the origin's connection may rest longer than idle ones may, while the client still gets what it sent", async () => {
  await using replicas = await Replicas.start(2, { limits: { idleTimeoutMs: 150 } });
  for (const origin of replicas.origins) origin.beforeRange = () => new Promise((resolve) => setTimeout(resolve, 100));
  const keep = GET.replace("Connection: close\r\n", "");
  const headBytes = (await exchange((replicas.origins[0] as TestOrigin).port, keep, 1)).indexOf("\r\n\r\n") + 4;
  expectFilm(await exchange(replicas.port, keep, headBytes + FILM.length));
  expect(replicas.eventsOf("content-offered")).toHaveLength(1);
});

test("a client that reads nothing holds the origin back, and its connection ends when nothing moved for the idle timeout", async () => {
  await using origin = await TestOrigin.start();
  await using bench = new TunnelBench();
  origin.files.set("/film", { data: Buffer.alloc(512 * MiB), etag: '"v1"' });
  const gateway = await bench.gateway({
    origins: [`films.example:80=http://127.0.0.1:${origin.port}`],
    limits: { idleTimeoutMs: 300 },
    originLimits: { maxHashedAheadBytes: 4 * MiB },
  });
  const tunnel = await openTunnel(await bench.cluster.dial(gateway.server), TARGET);
  await tunnel.write(Buffer.from(GET));
  const closed = (): GatewayEvent | undefined => gateway.events.find(({ type }) => type === "closed");
  await expect.poll(closed, { timeout: 30_000 }).toMatchObject({ end: "idle" });
  expect((closed() as { receivedBytes: number }).receivedBytes).toBeLessThan(64 * MiB);
  tunnel.abort(1);
});

test("hashes that wait for the client's credit come in time for every block", async () => {
  await using replicas = await Replicas.start(2, { originLimits: { maxHashedAheadBytes: BLOCK } });
  const film = Buffer.from(patternBytes(7, 0, 48 * MiB + 77));
  for (const origin of replicas.origins) origin.files.set("/film", { data: film, etag: '"v1"' });
  expectFilm(await exchange(replicas.port, GET), film);
  expect(replicas.eventsOf("content-hashed")).toHaveLength(1);
});

test("a session that asks for many ranges keeps no other from its own", async () => {
  await using replicas = await Replicas.start(1, { originLimits: { trialTimeoutMs: 60_000, rangeTimeoutMs: 60_000 } });
  const [origin] = replicas.origins as [TestOrigin];
  const [{ gateway, events }] = replicas.gateways as [TestGateway];
  let held = 0;
  origin.beforeRange = (path) => {
    if (!path.startsWith("/held")) return Promise.resolve();
    held += 1;
    return new Promise(() => undefined);
  };
  const request = { sessionId: "0123456789abcdef0123456789abcdef", clientIdentity: undefined };
  for (let count = 0; count < 100; count += 1) origin.files.set(`/held?${count}`, { data: FILM, etag: '"v1"' });
  const opened = Array.from({ length: 100 }, (_, count) =>
    gateway.origins.contents.open(`films.example:80 films.example /held?${count}`, request),
  );
  // As many as one session may have under way; the others were asked for at the same time, and wait behind them.
  await expect.poll(() => held, { timeout: 30_000 }).toBe(8);
  expectFilm(await exchange(replicas.port, GET));
  expect(held).toBe(8);
  expect(replicas.eventsOf("content-offered")).toHaveLength(1);
  // Until here none of the held ones has ended.
  expect(replicas.eventsOf("replica-refused")).toEqual([]);
  origin.kill();
  const refusals = (): GatewayEvent[] => events.filter(({ type }) => type === "replica-refused");
  expect(new Set(await Promise.all(opened))).toEqual(new Set([undefined]));
  expect(refusals().length).toBeLessThan(10);
});

test("a client that leaves ends what is under way", async () => {
  await using replicas = await Replicas.start(2);
  for (const origin of replicas.origins) origin.beforeRange = () => new Promise((resolve) => setTimeout(resolve, 5));
  await exchange(replicas.port, GET, MiB);
  await expect.poll(() => replicas.eventsOf("content-over"), { timeout: 30_000 }).toHaveLength(1);
  await expect.poll(() => replicas.eventsOf("closed"), { timeout: 30_000 }).toHaveLength(1);
});
