import { webSocketTransport } from "@kwik/transport-websocket";
import { afterEach, expect, test } from "vitest";
import { LinkPeers } from "./link-peers.ts";
import { selfSigned } from "./tls-material.ts";
import { runTrustSuite } from "./trust-suite.ts";

runTrustSuite({
  name: "WebSocket",
  abilities: new Set(["system-authorities", "shown-keys", "client-notices", "plaintext"]),
  makeTransport: webSocketTransport,
});

const peers = new LinkPeers(webSocketTransport);
afterEach(() => peers.close());

test("a client certificate that does not verify is answered with a 403", async () => {
  const [mine, known, stranger] = await Promise.all([selfSigned(), selfSigned(), selfSigned()]);
  const server = await peers.serve(mine, { clientCa: known.cert });
  expect(await peers.failure({ port: server.port, identity: mine.identity, clientCertificate: stranger })).toMatch(/403/);
});
