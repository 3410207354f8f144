import { fork } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { patternBytes } from "@kwik/testkit";
import { makeSelfSigned } from "@kwik/trust";
import { type DialOptions, isKwikError, type Listener, listen, type NodeListenOptions, parseAddress, type ServerSession } from "kwik";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bytes, textOf } from "../session/pair.ts";
import { bundlePage } from "./bundle-page.ts";
import { launchChromium, missingChromium, serveScript } from "./chromium.ts";
import { KwikTab } from "./kwik-tab.ts";
import { relayedServer } from "./relayed-server.ts";

// Sessions between a real browser and servers in Node. The tests of tests/session move client and servers in one process; these are the ones that a
// browser could fail.

const INSTALL_MS = 600_000;
const MB = 1_000_000;

let missing: string | undefined;
let browser: Browser | undefined;
let tabs: BrowserContext | undefined;
let page: Awaited<ReturnType<typeof serveScript>> | undefined;
let tab: KwikTab;
const closing: (() => unknown)[] = [];

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const TICKET_KEY = publicKey.export({ type: "spki", format: "pem" });
const cluster = { ticketSigningKey: privateKey.export({ type: "pkcs8", format: "pem" }), ticketVerifyKeys: [TICKET_KEY] };

beforeAll(async () => {
  missing = missingChromium();
  if (missing !== undefined) return;
  page = await serveScript(await bundlePage("./session-page.ts"));
  browser = await launchChromium();
  // WebSocket to a self-signed server; WebTransport does not look at this.
  tabs = await browser.newContext({ ignoreHTTPSErrors: true });
}, INSTALL_MS);

beforeEach(async (context) => {
  if (missing !== undefined) context.skip(missing);
  tab = await KwikTab.open(tabs as BrowserContext, `http://127.0.0.1:${page?.port}/`);
  closing.push(() => tab.close());
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

afterAll(async () => {
  await browser?.close();
  page?.close();
});

/** Listens on all addresses: docs/webtransport.md says why. */
async function serve(options: Partial<NodeListenOptions> = {}, scheme = "kwik"): Promise<Listener> {
  const listener = await listen(`${scheme}://0.0.0.0:0`, { tls: "self-signed", web: true, cluster, ...options });
  closing.push(() => listener.close());
  return listener;
}

function targetOf({ address }: { readonly address: string }, scheme = "kwik"): string {
  return `${scheme}://127.0.0.1:${parseAddress(address).port}`;
}

function trusting(...servers: readonly { readonly certificate: string }[]): DialOptions {
  return { trust: { certificates: servers.map(({ certificate }) => certificate) } };
}

/** A session of the page, and the server's end of it. */
async function pair(transport: string, options: Partial<NodeListenOptions> = {}, client: DialOptions = {}): Promise<ServerSession> {
  const listener = await serve(options);
  const accepted = listener.accept();
  const trust = transport === "webtransport" ? trusting(listener) : {};
  expect(await tab.do("dial", targetOf(listener), { ...trust, ...client, transport: transport as "webtransport" })).toEqual([transport]);
  return accepted;
}

describe.each(["webtransport", "websocket"])("over %s", (transport) => {
  // spec: STREAM-4
  test("streams of both kinds go both ways", async () => {
    const server = await pair(transport);
    const answer = tab.do("ask", "question");
    const asked = await server.acceptStream();
    expect(await textOf(asked)).toBe("question");
    await asked.write(bytes("answer"));
    await asked.close();
    expect(await answer).toBe("answer");

    const heard = tab.do("answer", "hi");
    const opened = server.openStream();
    await opened.write(bytes("hello"));
    const closed = opened.close();
    expect([await textOf(opened), await heard]).toEqual(["hi", "hello"]);
    await closed;

    const told = tab.do("tell", "news of the page");
    expect(await textOf(await server.acceptUniStream())).toBe("news of the page");
    await told;
    const hearing = tab.do("hear");
    const news = server.openUniStream();
    await news.write(bytes("news of the server"));
    await news.close();
    expect(await hearing).toBe("news of the server");
  });

  test("resets and stops arrive with their codes", async () => {
    const server = await pair(transport);
    await tab.do("resetAfter", "x", 42);
    const reset = await server.acceptStream();
    const failure = await textOf(reset).catch((error: unknown) => error);
    expect(failure).toMatchObject({ errorCode: 42, remote: true });

    const ended = tab.do("untilEnded");
    const stream = await server.acceptStream();
    expect(await stream.read()).not.toBeNull();
    stream.reset(7);
    stream.stopReading(8);
    expect(await ended).toEqual(["APPLICATION 7", "APPLICATION 8"]);
  });

  test("datagrams go both ways", async () => {
    const server = await pair(transport);
    // Any single one may be lost.
    const sending = setInterval(() => void tab.do("datagram", "up").catch(() => undefined), 20);
    expect(new TextDecoder().decode(await server.receiveDatagram())).toBe("up");
    clearInterval(sending);
    await expect
      .poll(async () => {
        server.sendDatagram(bytes("down"));
        return (await tab.do("datagrams"))[0];
      })
      .toBe("down");
  });

  test("20 MB arrive whole", async () => {
    const server = await pair(transport);
    const data = patternBytes(3, 0, 20 * MB);
    const download = tab.do("download", data.length);
    const stream = server.openStream();
    for (let at = 0; at < data.length; at += 100_000) await stream.write(data.subarray(at, at + 100_000));
    await stream.close();
    expect(await download).toEqual({ bytes: data.length, sha256: createHash("sha256").update(data).digest("hex") });
  });

  // spec: CREDIT-2
  test("a server that does not read stops the page that writes, and the other way round", async () => {
    const windowBytes = 1024 * 1024;
    const server = await pair(
      transport,
      { limits: { maxStreamWindowBytes: windowBytes } },
      { limits: { maxStreamWindowBytes: windowBytes, maxSendBufferBytes: windowBytes } },
    );
    const written = await tab.do("writeFor", 1_000);
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThanOrEqual(3 * windowBytes);
    const stream = server.openStream();
    let sent = 0;
    const writing = (async () => {
      for (; sent < 30 * MB; sent += 100_000) await stream.write(new Uint8Array(100_000));
    })();
    void writing.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(sent).toBeLessThan(30 * MB);
  });

  test("either side may end the session, with a code and a reason", async () => {
    const server = await pair(transport);
    const seen = tab.do("closed");
    await server.closeWithError(77, "enough: größer");
    expect(await seen).toBe("APPLICATION enough: größer true");
    const other = await pair(transport);
    await tab.do("close");
    expect(await other.closed).toMatchObject({ code: "NO_ERROR", remote: true });
  });

  test("a page that goes away ends its session, once the grace time is over", async () => {
    const server = await pair(transport, { limits: { graceMs: 200 } });
    await tab.close();
    expect((await server.closed).code).not.toBe("NO_ERROR");
  });

  test("the same works in a worker", async () => {
    const listener = await serve();
    const accepted = listener.accept();
    const options = { ...(transport === "webtransport" ? trusting(listener) : {}), transport };
    const done = tab.doInWorker(
      { verb: "dial", parameters: [targetOf(listener), options] },
      { verb: "ask", parameters: ["question"] },
      { verb: "close", parameters: [] },
    );
    const stream = await (await accepted).acceptStream();
    expect(await textOf(stream)).toBe("question");
    await stream.write(bytes("answer"));
    await stream.close();
    expect((await done).slice(0, 2)).toEqual([[transport], "answer"]);
  });
});

interface ContentServer {
  readonly address: string;
  readonly identity: string;
  readonly certificate: string;
  kill(): void;
}

/** A server that can be killed. */
async function contentServer(size: number): Promise<ContentServer> {
  const child = fork(fileURLToPath(new URL("./content-server.ts", import.meta.url)), [], {
    execArgv: ["--conditions=kwik-source"],
    env: { ...process.env, TEST_BYTES: String(size), TEST_TICKET_KEY: TICKET_KEY },
  });
  closing.push(() => child.kill("SIGKILL"));
  const [server] = (await once(child, "message")) as [Omit<ContentServer, "kill">];
  return { ...server, kill: () => void child.kill("SIGKILL") };
}

function contentOf(data: Uint8Array) {
  const length = BigInt(data.length);
  const read = async (offset: bigint, count: number): Promise<Uint8Array> => data.slice(Number(offset), Number(offset) + count);
  return { id: "film", version: "1", length, read };
}

// spec: PATH-8, PATH-12
test("a server adds others to the page's session, and a download goes on when one of three dies at its half", async () => {
  const data = patternBytes(1, 0, 40 * MB);
  const source = contentOf(data);
  const first = await serve({ content: { open: async () => source } });
  const others = await Promise.all([contentServer(data.length), contentServer(data.length)]);
  const accepted = first.accept();
  await tab.do("dial", targetOf(first), trusting(first, ...others));
  const primary = await accepted;
  for (const { address, identity } of others) {
    const path = await primary.addPath(targetOf({ address }), { identity });
    expect(path).toMatchObject({ transport: "webtransport", identity, state: "active" });
  }
  // Which of three certificates the first server showed is not told; those of the others were asked for.
  expect(await tab.do("identities")).toEqual([undefined, ...others.map(({ identity }) => identity)]);
  await tab.onHalf(() => others[0]?.kill());
  const download = tab.do("download", data.length);
  await primary.openStream().sendContent(source, { end: true });
  expect(await download).toEqual({ bytes: data.length, sha256: createHash("sha256").update(data).digest("hex") });
  await expect.poll(async () => (await tab.do("paths"))[1]).toMatch(/webtransport (degraded|dead)/);
  expect(primary.activePaths().map((path) => path.identity)).toContain(others[1]?.identity);
});

test("servers of the page's own list join without a ticket, and carry content too", async () => {
  const data = patternBytes(1, 0, 8 * MB);
  const source = contentOf(data);
  const first = await serve({ content: { open: async () => source } });
  const other = await contentServer(data.length);
  const accepted = first.accept();
  await tab.do("dial", targetOf(first), { ...trusting(first, other), servers: [targetOf(other)] });
  const primary = await accepted;
  await expect.poll(() => tab.do("paths")).toEqual(["webtransport active", "webtransport active"]);
  const download = tab.do("download", data.length);
  await primary.openStream().sendContent(source, { end: true });
  expect(await download).toMatchObject({ bytes: data.length });
});

test("one certificate proves who the server is", async () => {
  const listener = await serve();
  await tab.do("dial", targetOf(listener), trusting(listener));
  expect(await tab.do("identities")).toEqual([listener.identity]);
});

test("where WebTransport does not pass, WebSocket carries the session", async () => {
  const listener = await serve({}, "kwik+tcp");
  const accepted = listener.accept();
  expect(await tab.do("dial", targetOf(listener), {})).toEqual(["websocket"]);
  const answer = tab.do("ask", "question");
  const stream = await (await accepted).acceptStream();
  expect(await textOf(stream)).toBe("question");
  await stream.close();
  expect(await answer).toBe("");
});

test("a server with another certificate than those given is not reached, over no transport", async () => {
  const [listener, other] = [await serve(), await makeSelfSigned()];
  const failure = await tab.do("failure", targetOf(listener), trusting({ certificate: other.cert }));
  expect(failure).toMatch(/^UNREACHABLE: .*over WebTransport.*has none of the certificates in trust\.certificates/);
  expect(listener.stats().acceptedSessions).toBe(0);
});

test("a certificate that no browser accepts is named before anybody is asked", async () => {
  const tls = await makeSelfSigned({ validDays: 30 });
  const listener = await serve({ tls });
  expect(await tab.do("failure", targetOf(listener), trusting(listener))).toMatch(/^NOT_TRUSTED: .*valid for more than 14 days/);
  const old = await makeSelfSigned({ now: Date.now() - 20 * 86_400_000 });
  expect(await tab.do("failure", targetOf(listener), trusting({ certificate: old.cert }))).toMatch(/^NOT_TRUSTED: .*has expired/);
});

test("a server is added only under an identity whose certificate the page was given", async () => {
  const [first, other] = [await serve(), await serve()];
  const accepted = first.accept();
  await tab.do("dial", targetOf(first), trusting(first));
  const primary = await accepted;
  const failed = async (identity: string): Promise<string> =>
    primary.addPath(targetOf(other), { identity }).then(
      () => "no error",
      (error: unknown) => (isKwikError(error) ? error.code : String(error)),
    );
  // Of the first the page was given no certificate; a server of the second's key is known, and it is not at that address. Servers hear neither. spec: PATH-15
  expect(await Promise.all([failed(other.identity), failed(first.identity)])).toEqual(["TIMEOUT", "TIMEOUT"]);
  expect(other.stats().acceptedSessions).toBe(0);
  expect(primary.stats().paths.map(({ state }) => state)).not.toContain("connecting");
});

test("pages of another origin are refused, and the page is told what that may be", async () => {
  const notices: string[] = [];
  const listener = await serve({ web: { allowOrigin: () => false }, onNotice: (message) => notices.push(message) });
  for (const transport of ["webtransport", "websocket"] as const) {
    const trust = transport === "webtransport" ? trusting(listener) : {};
    expect(await tab.do("failure", targetOf(listener), { ...trust, transport })).toMatch(
      /^UNREACHABLE: .*refuses pages of this origin \(web\.allowOrigin of listen\)/,
    );
  }
  expect(notices.join("\n")).toContain("allowOrigin");
});

test.each<[string, string, DialOptions]>([
  ["authorities of the page's own", "NOT_SUPPORTED: a browser takes no certificate authorities", { trust: { ca: "PEM" } }],
  ["pins", "NOT_SUPPORTED: a browser shows no keys", { trust: { pins: [`sha256:${"0".repeat(64)}`] } }],
  ["anybody", "NOT_SUPPORTED: a browser does not let a page believe just anybody", { trust: { dangerouslyTrustAnyServer: true } }],
  ["a client certificate", "NOT_SUPPORTED: a browser lets no page choose", { credentials: { cert: "PEM", key: "PEM" } }],
  ["no certificate at all", "INVALID_ARGUMENT: trust.certificates is empty", { trust: { certificates: [] } }],
  ["no certificate in a text", "INVALID_ARGUMENT: trust.certificates holds what is no certificate", { trust: { certificates: ["PEM"] } }],
  ["a transport of Node", "NOT_SUPPORTED: the transport tcp does not work", { transport: "tcp" }],
])("a page that asks for %s is told so", async (_, message, options) => {
  expect(await tab.do("failure", "kwik://127.0.0.1:40009", options)).toContain(message);
});

test("a dial may be aborted, and one that nobody answers ends in its time", async () => {
  const { cert } = await makeSelfSigned();
  const udp = createSocket("udp4").bind(0, "127.0.0.1");
  await once(udp, "listening");
  const { port } = udp.address();
  const tcp = createServer().listen(port, "127.0.0.1");
  await once(tcp, "listening");
  closing.push(
    () => udp.close(),
    () => tcp.close(),
  );
  for (const transport of ["webtransport", "websocket"] as const) {
    const trust = transport === "webtransport" ? trusting({ certificate: cert }) : {};
    const target = `kwik://127.0.0.1:${port}`;
    expect(await tab.do("abortedDial", target, { ...trust, transport })).toMatch(/^ABORTED: /);
    const failure = await tab.do("failure", target, { ...trust, transport, limits: { handshakeTimeoutMs: 300 } });
    expect(failure).toMatch(/^UNREACHABLE: .* did not answer over Web\w+ within 300 ms/);
  }
});

// spec: PATH-5
test("where UDP falls silent in mid-session, WebSocket carries it on, and WebTransport again when it is heard", async () => {
  const tls = await makeSelfSigned();
  // Chromium is to believe this certificate as one of an authority's: then neither transport needs its hash.
  const key = Buffer.from(tls.identity.slice("sha256:".length), "hex").toString("base64");
  const believing = await launchChromium([`--ignore-certificate-errors-spki-list=${key}`, "--webtransport-developer-mode"]);
  closing.push(() => believing.close());
  const there = await KwikTab.open(await believing.newContext(), `http://127.0.0.1:${page?.port}/`);
  const relayed = await relayedServer(tls);
  closing.push(() => relayed.close());
  const accepted = relayed.listener.accept();
  // Not given up so soon, so that it can come back.
  const limits = { minDeadAfterMs: 20_000 };
  expect(await there.do("dial", `kwik://127.0.0.1:${relayed.port}`, { limits })).toEqual(["webtransport"]);
  const server = await accepted;
  const echoing = (async () => {
    for await (const stream of server.incomingStreams()) {
      await stream.write(bytes(await textOf(stream)));
      void stream.close();
    }
  })();
  expect(await there.do("ask", "one")).toBe("one");
  relayed.isSilent = true;
  expect(await there.do("ask", "two")).toBe("two");
  await expect.poll(() => there.do("paths")).toEqual(["webtransport degraded", "websocket active"]);
  relayed.isSilent = false;
  await expect.poll(() => there.do("paths")).toEqual(["webtransport active", "websocket closed"]);
  expect(await there.do("ask", "three")).toBe("three");
  await there.do("close");
  await echoing;
});
