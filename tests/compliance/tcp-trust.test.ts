import { createServer } from "node:tls";
import { tcpTransport } from "@kwik/transport-tcp";
import { makeSelfSigned } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { LinkPeers } from "./link-peers.ts";
import { cluster, selfSigned } from "./tls-material.ts";
import type { ServerMaterial } from "./tls-material.ts";
import { runTrustSuite } from "./trust-suite.ts";

runTrustSuite({
  name: "TCP",
  abilities: new Set(["system-authorities", "shown-keys", "client-notices", "plaintext"]),
  makeTransport: tcpTransport,
});

// What follows is of this transport alone: it resumes connections.

const mine = await selfSigned();
const other = await selfSigned();
const alpha = await cluster(["localhost", "127.0.0.1"]);
const beta = await cluster(["localhost"]);
const [local] = alpha.servers as [ServerMaterial];

const peers = new LinkPeers(tcpTransport);
afterEach(() => peers.close());

test("a client is known by its certificate in resumed connections too", async () => {
  const known = await makeSelfSigned();
  const server = await peers.serve(mine, { clientCa: known.cert });
  const transport = tcpTransport();
  for (let i = 0; i < 5; i += 1) await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: known }, transport);
  expect(server.links.map((link) => link.properties.clientIdentity)).toEqual(Array.from({ length: 5 }, () => known.identity));
});

/** A bare TLS server that speaks the protocol's name and tells which of its connections were resumed. */
async function bareServer(tls: ServerMaterial): Promise<{ port: number; reused: boolean[] }> {
  const reused: boolean[] = [];
  const server = createServer({ cert: tls.cert, key: tls.key, ALPNProtocols: ["kwik/1"] }, (socket) => {
    reused.push(socket.isSessionReused());
    socket.on("error", () => undefined).resume();
  });
  return { port: await peers.bind(server), reused };
}

test("a later dial resumes the session, for exactly the same trust only", async () => {
  const server = await bareServer(local);
  const transport = tcpTransport();
  const pinned = { port: server.port, trust: { pins: [local.identity] } };
  // The ticket comes some time after the handshake.
  for (let i = 0; i < 100 && !server.reused.includes(true); i += 1) {
    const link = await peers.reach(pinned, transport);
    expect(link.properties.provenIdentity).toBe(local.identity);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(server.reused).toContain(true);

  server.reused.length = 0;
  expect(await peers.failure({ port: server.port, trust: { pins: [other.identity] } }, transport)).toMatch(/^NOT_TRUSTED: .*its key/);
  expect(await peers.failure({ port: server.port, trust: { ca: beta.ca } }, transport)).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await peers.failure({ port: server.port, host: "localhost" }, transport)).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(server.reused).not.toContain(true);
});

test("a server with another key on the same address is not believed for an old ticket", async () => {
  const transport = tcpTransport();
  const first = await peers.serve(mine);
  await peers.dial({ port: first.port, identity: mine.identity }, transport);
  await first.listener.close();
  await peers.serve(other, {}, { port: first.port });
  expect(await peers.failure({ port: first.port, identity: mine.identity }, transport)).toMatch(/^NOT_TRUSTED: .*its key/);
});
