import { createHash, X509Certificate } from "node:crypto";
import type { TransportListener, WebOptions } from "@kwik/core";
import { parseAddress } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { selfSigned } from "../compliance/tls-material.ts";
import { launchChromium, missingChromium, servePage } from "./chromium.ts";
import { CommandServer } from "./command-server.ts";
import { connectHttp3 } from "./http3-client.ts";
import { patternAt } from "./pattern.ts";

// A real browser against the server. Where there is none, each test is skipped and says so.

const MB = 1_000_000;
const INSTALL_MS = 600_000;
const tls = await selfSigned();
const hash = createHash("sha256").update(new X509Certificate(tls.cert).raw).digest("hex");

let missing: string | undefined;
let browser: Browser | undefined;
let pages: Awaited<ReturnType<typeof servePage>> | undefined;
let tab: Page;
let servers: CommandServer[] = [];
let notices: string[] = [];
const listeners: TransportListener[] = [];

beforeAll(async () => {
  missing = missingChromium();
  if (missing !== undefined) return;
  browser = await launchChromium();
  pages = await servePage();
}, INSTALL_MS);

beforeEach(async (context) => {
  if (missing !== undefined) context.skip(missing);
  tab = await (browser as Browser).newPage();
  await tab.goto(`http://127.0.0.1:${pages?.port}/`);
});

afterEach(async () => {
  await tab.close();
  for (const listener of listeners.splice(0)) await listener.close();
  servers = [];
  notices = [];
});

afterAll(async () => {
  await browser?.close();
  pages?.close();
});

/** Listens, on all addresses: Chromium takes none of the large packets that a server at a loopback address sends. */
async function listen(web: WebOptions = {}, host = "0.0.0.0"): Promise<{ readonly port: number; readonly listener: TransportListener }> {
  const listener = await quicTransport({ retry: false }).listen({
    address: { host, port: 0 },
    tls,
    web,
    onLink: (link) => servers.push(new CommandServer(link)),
    onNotice: (message) => notices.push(message),
  });
  listeners.push(listener);
  return { port: parseAddress(listener.address).port, listener };
}

/** Calls a function of page.html. */
function call(name: string, port: number, path = "/kwik", ...more: readonly (number | string)[]): Promise<unknown> {
  const target = { url: `https://127.0.0.1:${port}${path}`, hash };
  return tab.evaluate(`page.${name}(${[target, ...more].map((argument) => JSON.stringify(argument)).join(", ")})`);
}

async function until(condition: () => boolean, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

test("streams of either side carry bytes both ways", async () => {
  const { port } = await listen();
  expect(await call("echo", port)).toBe("from the page");
  expect(await call("serverOpened", port)).toEqual(["from the server", "back"]);
  expect(servers[0]?.link.properties).toMatchObject({ transport: "webtransport", provenIdentity: undefined });
});

test("20 MB arrive whole in each direction", async () => {
  const { port } = await listen();
  const down = (await call("down", port, "/kwik", 20 * MB)) as { megabytesPerSecond: number };
  expect(down).toMatchObject({ received: 20 * MB, wrongAt: -1 });
  const up = (await call("up", port, "/kwik", 20 * MB)) as { megabytesPerSecond: number };
  expect(up).toMatchObject({ answer: `${20 * MB} received, wrong at -1` });
  process.stderr.write(
    `Chromium: ${down.megabytesPerSecond.toFixed(0)} MB/s down, ${up.megabytesPerSecond.toFixed(0)} MB/s up, all bytes looked at\n`,
  );
});

test("datagrams go both ways", async () => {
  const { port } = await listen();
  expect(await call("datagrams", port, "/kwik", 1)).toEqual({ length: 1, isWhole: true });
  expect(await call("datagrams", port, "/kwik", 1_100)).toEqual({ length: 1_100, isWhole: true });
});

test("code and reason of a close reach the other side", async () => {
  const { port } = await listen();
  await call("closeHere", port, "/kwik", 77, "the page has enough: größer");
  await until(() => servers[0]?.closed !== undefined);
  expect(servers[0]?.closed).toEqual({ code: 77, reason: "the page has enough: größer", remote: true });
  expect(await call("closedByServer", port)).toEqual({ closeCode: 4_000_000_001, reason: "the server has enough: größer" });
  expect(servers[1]?.closed).toMatchObject({ code: 4_000_000_001, remote: false });
});

test("a page that goes away ends its link, and a listener that closes tells its pages", async () => {
  const { port, listener } = await listen();
  await call("stay", port);
  await tab.goto("about:blank");
  await until(() => servers[0]?.closed !== undefined);
  expect(servers[0]?.closed?.remote).toBe(true);
  await tab.goto(`http://127.0.0.1:${pages?.port}/`);
  await call("stay", port);
  const [seen] = await Promise.all([tab.evaluate("page.stayedUntil()"), listener.close()]);
  expect(seen).toMatchObject({ reason: "the server has shut down" });
});

test("the page sees a reset, and each of its own ways to end a carrier reaches the server", async () => {
  const { port } = await listen();
  expect(await call("resetByServer", port)).toEqual([
    "WebTransportError: Received RESET_STREAM.",
    "WebTransportError: Received STOP_SENDING.",
  ]);
  await call("endCarriers", port);
  await until(() => servers[1]?.ends === 3);
});

test("as many carriers as the server opens at once reach the page", async () => {
  const { port } = await listen();
  const { opened, seen } = (await call("manyFromServer", port)) as { opened: number; seen: number };
  expect(opened).toBeGreaterThan(40);
  expect(seen).toBe(opened);
});

test("another path is refused, and the right one is an option", async () => {
  const { port } = await listen({ path: "/elsewhere" });
  expect(await call("connectError", port)).toContain("Opening handshake failed");
  expect(await call("echo", port, "/elsewhere?with=query")).toBe("from the page");
  expect(servers).toHaveLength(1);
});

test("pages of another host are refused, unless the option allows them", async () => {
  const { port } = await listen();
  const asked: string[] = [];
  const other = await listen({
    allowOrigin: (origin) => {
      asked.push(origin);
      return origin.startsWith("http://localhost:");
    },
  });
  expect(await call("connectError", other.port)).toContain("Opening handshake failed");
  await tab.goto(`http://localhost:${pages?.port}/`);
  expect(await call("connectError", port)).toContain("Opening handshake failed");
  expect(servers).toHaveLength(0);
  const refused = `refused a page of http://127.0.0.1:${pages?.port}: pages of this origin may not connect (allowOrigin)`;
  expect(notices).toEqual([refused, refused.replace("127.0.0.1", "localhost")]);
  expect(await call("echo", other.port)).toBe("from the page");
  expect(asked).toEqual([`http://127.0.0.1:${pages?.port}`, `http://localhost:${pages?.port}`]);
});

test("a native client uses the same port at the same time", async () => {
  const { port } = await listen();
  const link = await connectHttp3({ address: { host: "127.0.0.1", port } });
  let received = 0;
  let wrong = 0;
  link.attach({ onCarrier: () => undefined, onDatagram: () => undefined, onClose: () => undefined, onBatchEnd: () => undefined });
  const carrier = link.openCarrier();
  if (carrier === undefined) throw new Error("no carrier");
  carrier.receiver = {
    onData: (data) => {
      for (let i = 0; i < data.length; i += 1) if (data[i] !== patternAt(received + i)) wrong += 1;
      received += data.length;
    },
    onEnd: () => undefined,
  };
  const down = call("down", port, "/kwik", 20 * MB);
  carrier.send([Buffer.from(`down ${20 * MB}\n`)]);
  expect(await down).toMatchObject({ received: 20 * MB, wrongAt: -1 });
  await until(() => received === 20 * MB);
  expect(wrong).toBe(0);
  expect(servers.map((server) => server.link.properties.transport).sort()).toEqual(["quic", "webtransport"]);
  link.close(0, "");
});

test("where the server's packets are too large for a browser, the operator is told the remedy", async () => {
  const { port } = await listen({}, "127.0.0.1");
  await call("down", port, "/kwik", 20 * MB).catch(() => undefined);
  await expect.poll(() => notices.length, { timeout: 30_000 }).toBeGreaterThan(0);
  expect(notices[0]).toContain("ip route replace local 127.0.0.1 dev lo");
});
