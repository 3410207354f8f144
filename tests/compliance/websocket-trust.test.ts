import { X509Certificate } from "node:crypto";
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { webSocketTransport } from "@kwik/transport-websocket";
import { makeSelfSigned } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { LinkPeers } from "./link-peers.ts";
import { cluster, selfSigned } from "./tls-material.ts";
import type { ServerMaterial } from "./tls-material.ts";
import { until } from "./until.ts";

const mine = await selfSigned();
const other = await selfSigned();
const alpha = await cluster(["localhost", "127.0.0.1"], ["elsewhere.example", "10.1.2.3"]);
const beta = await cluster(["localhost"]);
const [local, elsewhere] = alpha.servers as [ServerMaterial, ServerMaterial];
const [betaLocal] = beta.servers as [ServerMaterial];

const peers = new LinkPeers(webSocketTransport);
afterEach(() => peers.close());

// spec: SESS-5
test("a pinned server is reached on one connection and its identity proven", async () => {
  const server = await peers.serve(mine);
  const byPin = await peers.dial({ port: server.port, trust: { pins: [mine.identity] } });
  expect(byPin.properties.provenIdentity).toBe(mine.identity);
  expect(server.links).toHaveLength(1);
  const byIdentity = await peers.dial({ port: server.port, identity: mine.identity });
  expect(byIdentity.properties.provenIdentity).toBe(mine.identity);
  const byName = await peers.dial({ port: server.port, host: "localhost", identity: mine.identity });
  expect(byName.properties.provenIdentity).toBe(mine.identity);
});

test("one pin of several is enough, a wrong one is NOT_TRUSTED, and an identity goes before the pins", async () => {
  const server = await peers.serve(mine);
  const link = await peers.dial({ port: server.port, trust: { pins: [other.identity, mine.identity] } });
  expect(link.properties.provenIdentity).toBe(mine.identity);
  expect(await peers.failure({ port: server.port, trust: { pins: [other.identity] } })).toMatch(/^NOT_TRUSTED: .*its key is/);
  expect(await peers.failure({ port: server.port, identity: other.identity, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
  expect(server.links).toHaveLength(1);
});

test("several pins under an authority need both", async () => {
  const server = await peers.serve(local);
  const pins = [elsewhere.identity, local.identity];
  const link = await peers.dial({ port: server.port, trust: { pins, ca: alpha.ca } });
  expect(link.properties.provenIdentity).toBe(local.identity);
  expect(await peers.failure({ port: server.port, trust: { pins, ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  const pinsOfOthers = [elsewhere.identity, other.identity];
  expect(await peers.failure({ port: server.port, trust: { pins: pinsOfOthers, ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*its key is/);
});

test("a pinned server of a cluster is reached without knowing its authority", async () => {
  const server = await peers.serve(local);
  const link = await peers.dial({ port: server.port, trust: { pins: [local.identity] } });
  expect(link.properties.provenIdentity).toBe(local.identity);
});

test("a server that shows another's certificate behind its own cannot answer for it", async () => {
  const server = await peers.serve({ ...other, cert: `${other.cert}\n${mine.cert}` });
  expect(await peers.failure({ port: server.port, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
});

test("under an authority the name, the IP address or the identity is proven", async () => {
  const server = await peers.serve(local);
  const byName = await peers.dial({ port: server.port, host: "localhost", trust: { ca: alpha.ca } });
  expect(byName.properties.provenIdentity).toBeUndefined();
  const byAddress = await peers.dial({ port: server.port, trust: { ca: alpha.ca } });
  expect(byAddress.properties.provenIdentity).toBe(local.identity);
  const byIdentity = await peers.dial({ port: server.port, identity: local.identity, trust: { ca: alpha.ca } });
  expect(byIdentity.properties.provenIdentity).toBe(local.identity);
});

test("under an authority another name, address, identity or authority is NOT_TRUSTED, each with its reason", async () => {
  const server = await peers.serve(elsewhere);
  expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*name/);
  expect(await peers.failure({ port: server.port, trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*127\.0\.0\.1/);
  expect(await peers.failure({ port: server.port, identity: local.identity, trust: { ca: alpha.ca } })).toMatch(
    /^NOT_TRUSTED: .*its key is/,
  );
  const right = await peers.serve(local);
  expect(await peers.failure({ port: right.port, host: "localhost", trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await peers.failure({ port: right.port, identity: local.identity, trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(server.links.length + right.links.length).toBe(0);
});

test("with nothing but the system's authorities, a private certificate is NOT_TRUSTED and an IP address refused", async () => {
  const server = await peers.serve(local);
  expect(await peers.failure({ port: server.port, host: "localhost" })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await peers.failure({ port: server.port })).toMatch(/^NOT_TRUSTED: the system's authorities cannot verify the IP address/);
});

test("the system's authorities prove a name, and a given authority replaces them", async () => {
  const before = getCACertificates("default");
  setDefaultCACertificates([beta.ca]);
  try {
    const server = await peers.serve(betaLocal);
    const link = await peers.dial({ port: server.port, host: "localhost" });
    expect(link.properties.provenIdentity).toBeUndefined();
    expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  } finally {
    setDefaultCACertificates(before);
  }
});

test("an expired certificate is NOT_TRUSTED and says so, under an authority and by pin", async () => {
  const expired = await makeSelfSigned({ now: Date.now() - 40 * 86_400_000, validDays: 13 });
  const server = await peers.serve(expired);
  expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca: expired.cert } })).toMatch(/^NOT_TRUSTED: .*expired/);
  expect(await peers.failure({ port: server.port, trust: { pins: [expired.identity] } })).toMatch(/^NOT_TRUSTED: .*expired/);
});

test("authorities, certificates and keys that are not PEM are INVALID_ARGUMENT", async () => {
  const server = await peers.serve(mine);
  expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca: "garbage" } })).toMatch(/^INVALID_ARGUMENT/);
  const clientCertificate = { cert: "garbage", key: "garbage" };
  expect(await peers.failure({ port: server.port, identity: mine.identity, clientCertificate })).toMatch(/^INVALID_ARGUMENT/);
  await expect(peers.serve({ ...mine, key: other.key })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(peers.serve(mine, { clientCa: "garbage" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a server that is not believed is told nothing, not even what was wanted of it", async () => {
  let told = 0;
  const ended: Promise<unknown>[] = [];
  const impostor = createTlsServer({ cert: other.cert, key: other.key }, (socket) => {
    socket.on("data", (data) => (told += data.length));
    socket.on("error", () => undefined);
  });
  impostor.on("connection", (socket) => ended.push(new Promise((resolve) => socket.once("close", resolve))));
  const port = await peers.bind(impostor);
  expect(await peers.failure({ port, identity: mine.identity })).toMatch(/^NOT_TRUSTED/);
  expect(await peers.failure({ port, host: "localhost", trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED/);
  await until(() => ended.length === 2);
  await Promise.all(ended);
  expect(told).toBe(0);
  // The same impostor does hear a request of whoever believes everybody: the test could see one.
  void peers.failure({ port, timeoutMs: 500, trust: { dangerouslyTrustAnyServer: true } });
  await until(() => told > 0);
});

test("a name whose addresses are refused is not dialled", async () => {
  const server = await peers.serve(mine);
  const shown: string[][] = [];
  const outcome = await peers.failure({
    port: server.port,
    host: "localhost",
    trust: { dangerouslyTrustAnyServer: true },
    checkResolved: (ips) => {
      shown.push([...ips]);
      return "it is private";
    },
  });
  expect(outcome).toMatch(/^ADDRESS_REFUSED: .*private/);
  expect(shown.flat()).toContain("127.0.0.1");
  expect(server.links).toHaveLength(0);
});

test("a client certificate is verified and its identity shown to the server; one of another authority is refused", async () => {
  const clientPair = await makeSelfSigned();
  const server = await peers.serve(mine, { clientCa: clientPair.cert });
  await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: clientPair });
  await peers.dial({ port: server.port, identity: mine.identity });
  expect(await peers.failure({ port: server.port, identity: mine.identity, clientCertificate: other })).toMatch(/403/);
  expect(server.links.map((link) => link.properties.clientIdentity)).toEqual([clientPair.identity, undefined]);
  const [betaMember] = beta.servers;
  const forMembers = await peers.serve(mine, { clientCa: alpha.ca });
  await peers.dial({ port: forMembers.port, identity: mine.identity, clientCertificate: local });
  expect(await peers.failure({ port: forMembers.port, identity: mine.identity, clientCertificate: betaMember })).toMatch(/403/);
  const forOne = await peers.serve(mine, { clientCa: new X509Certificate(local.cert).toString() });
  expect(await peers.failure({ port: forOne.port, identity: mine.identity, clientCertificate: elsewhere })).toMatch(/403/);
  expect([forMembers, forOne].map(({ links }) => links.map((link) => link.properties.clientIdentity))).toEqual([[local.identity], []]);
  const expired = await makeSelfSigned({ now: Date.now() - 40 * 86_400_000, validDays: 13 });
  const late = await peers.serve(mine, { clientCa: expired.cert });
  expect(await peers.failure({ port: late.port, identity: mine.identity, clientCertificate: expired })).toMatch(/403/);
  const indifferent = await peers.serve(mine);
  await peers.dial({ port: indifferent.port, identity: mine.identity, clientCertificate: clientPair });
  expect(indifferent.links[0]?.properties.clientIdentity).toBeUndefined();
});

test("without TLS nobody can be verified, and links say that they are not encrypted", async () => {
  const plaintext = webSocketTransport({ dangerouslyPlaintext: true });
  const server = await peers.serve(mine, { dangerouslyPlaintext: true });
  expect(await peers.failure({ port: server.port, identity: mine.identity }, plaintext)).toMatch(/^NOT_TRUSTED/);
  const link = await peers.dial({ port: server.port, trust: { dangerouslyTrustAnyServer: true } }, plaintext);
  expect([link.capabilities.encrypted, server.links[0]?.capabilities.encrypted]).toEqual([false, false]);
  const secure = await peers.serve(mine);
  const encrypted = await peers.dial({ port: secure.port, identity: mine.identity });
  expect([encrypted.capabilities.encrypted, secure.links[0]?.capabilities.encrypted]).toEqual([true, true]);
  expect(await peers.failure({ port: server.port, identity: mine.identity })).toMatch(/^NOT_KWIK: .*TLS/);
});
