import { type SuiteCapability, linkCases } from "@kwik/testkit";
import { quicTransport } from "@kwik/transport-quic";
import { webSocketTransport } from "@kwik/transport-websocket";
import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { bundlePage } from "../browser/bundle-page.ts";
import { launchChromium, missingChromium, serveScript } from "../browser/chromium.ts";
import type { CaseRequest } from "../browser/link-suite-page.ts";
import { ServerMirror } from "../browser/mirror/server-mirror.ts";
import { selfSigned } from "./tls-material.ts";

// The suite runs in a real browser: its client is the browser's, its servers run here and are mirrored into the page.

const INSTALL_MS = 600_000;
const CASE_MS = 120_000;
const tls = await selfSigned();

let missing: string | undefined;
let browser: Browser | undefined;
let tabs: BrowserContext | undefined;
let page: Awaited<ReturnType<typeof serveScript>> | undefined;

beforeAll(async () => {
  missing = missingChromium();
  if (missing !== undefined) return;
  page = await serveScript(await bundlePage("./link-suite-page.ts"));
  browser = await launchChromium();
  // For WebSocket, which cannot be told which certificate to accept; WebTransport does not look at it.
  tabs = await browser.newContext({ ignoreHTTPSErrors: true });
}, INSTALL_MS);

afterAll(async () => {
  await browser?.close();
  page?.close();
});

const over = {
  webtransport: {
    serve: () => ({ transport: quicTransport({ retry: false }), childTransport: "webtransport" as const }),
    capabilities: new Set<SuiteCapability>(["datagrams", "abrupt-death", "independent-carriers", "owned-buffers"]),
  },
  websocket: {
    serve: () => ({ transport: webSocketTransport(), childTransport: "websocket" as const }),
    capabilities: new Set<SuiteCapability>(["datagrams", "abrupt-death"]),
  },
};

/** Runs one case in a page of its own: Chromium delays the dials of a page of which some have failed. */
async function run(transport: CaseRequest["transport"], name: string, where = "runCase"): Promise<string> {
  const mirrors = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  const tab = await (tabs as BrowserContext).newPage();
  let mirror: ServerMirror | undefined;
  mirrors.on("connection", (socket: WebSocket) => {
    mirror = new ServerMirror(socket, { ...over[transport].serve(), tls });
  });
  try {
    await tab.goto(`http://127.0.0.1:${page?.port}/`);
    const { port: mirrorPort } = mirrors.address() as { port: number };
    const request: CaseRequest = { name, transport, mirrorPort, certificate: tls.cert };
    return await tab.evaluate(`${where}(${JSON.stringify(request)})`);
  } finally {
    await tab.close();
    await mirror?.close();
    mirrors.close();
  }
}

// spec: LINK-1, PIPE-1
describe.each(["webtransport", "websocket"] as const)("the Link port in a browser over %s", (transport) => {
  for (const { name, needs = [] } of linkCases) {
    test(
      name,
      async (context) => {
        if (missing !== undefined) context.skip(missing);
        const lacks = needs.filter((need) => !over[transport].capabilities.has(need));
        if (lacks.length > 0) context.skip(`${transport} in a page has no ${lacks.join(", ")}`);
        expect(await run(transport, name)).toBe("passed");
      },
      CASE_MS,
    );
  }

  test("the same in a worker", async (context) => {
    if (missing !== undefined) context.skip(missing);
    expect(await run(transport, "bytes arrive in order in both directions of a carrier", "runCaseInWorker")).toBe("passed");
  });
});
