import { createServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { tcpTransport } from "@kwik/transport-tcp";
import { makeSelfSigned } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { LinkPeers } from "./link-peers.ts";
import { cluster, selfSigned } from "./tls-material.ts";
import type { ServerMaterial } from "./tls-material.ts";

const mine = await selfSigned();
const other = await selfSigned();
const alpha = await cluster(["localhost", "127.0.0.1"], ["elsewhere.example", "10.1.2.3"]);
const beta = await cluster(["localhost"]);
const [local, elsewhere] = alpha.servers as [ServerMaterial, ServerMaterial];
const DAY_MS = 86_400_000;

const peers = new LinkPeers(tcpTransport);
afterEach(() => peers.close());

// The rows of the table in decision 0004, from its top.

test("dangerouslyTrustAnyServer reaches any server and proves nothing", async () => {
  const server = await peers.serve(mine);
  const trust = { dangerouslyTrustAnyServer: true, pins: [other.identity], ca: beta.ca };
  for (const host of ["127.0.0.1", "localhost"]) {
    const link = await peers.dial({ port: server.port, host, trust });
    expect(link.properties.provenIdentity).toBeUndefined();
  }
});

test("an authority and one identity or one pin: both must hold, and the identity is proven", async () => {
  const server = await peers.serve(local);
  for (const host of ["127.0.0.1", "localhost"]) {
    const byIdentity = await peers.dial({ port: server.port, host, identity: local.identity, trust: { ca: alpha.ca } });
    expect(byIdentity.properties.provenIdentity).toBe(local.identity);
    const byPin = await peers.dial({ port: server.port, host, trust: { ca: alpha.ca, pins: [local.identity] } });
    expect(byPin.properties.provenIdentity).toBe(local.identity);
  }
  const otherKey = { port: server.port, identity: elsewhere.identity, trust: { ca: alpha.ca } };
  expect(await peers.failure(otherKey)).toMatch(/^NOT_TRUSTED: .*its key is sha256:.*expected was sha256:/);
  const otherAuthority = { port: server.port, identity: local.identity, trust: { ca: beta.ca } };
  expect(await peers.failure(otherAuthority)).toMatch(/^NOT_TRUSTED: .*authority/);
});

test("several pins: one is enough, with an authority that must hold as well", async () => {
  const server = await peers.serve(local);
  const pins = [other.identity, local.identity];
  const link = await peers.dial({ port: server.port, trust: { pins } });
  expect(link.properties.provenIdentity).toBe(local.identity);
  const under = await peers.dial({ port: server.port, trust: { pins, ca: alpha.ca } });
  expect(under.properties.provenIdentity).toBe(local.identity);
  expect(await peers.failure({ port: server.port, trust: { pins, ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await peers.failure({ port: server.port, trust: { pins: [other.identity, mine.identity] } })).toMatch(/^NOT_TRUSTED: .*its key/);
});

test("a pin or an identity alone is proven by the key, whoever issued the certificate and for whatever name", async () => {
  for (const material of [mine, local, elsewhere]) {
    const server = await peers.serve(material);
    const byPin = await peers.dial({ port: server.port, trust: { pins: [material.identity] } });
    expect(byPin.properties.provenIdentity).toBe(material.identity);
    const byIdentity = await peers.dial({ port: server.port, host: "localhost", identity: material.identity });
    expect(byIdentity.properties.provenIdentity).toBe(material.identity);
  }
});

test("an identity that is demanded goes before the pins", async () => {
  const server = await peers.serve(mine);
  const request = { port: server.port, identity: other.identity, trust: { pins: [mine.identity] } };
  expect(await peers.failure(request)).toMatch(/^NOT_TRUSTED: .*its key/);
  expect(server.links).toHaveLength(0);
});

test("a server that shows another's certificate beside its own does not pass for it", async () => {
  const server = await peers.serve({ ...other, cert: `${other.cert}\n${mine.cert}` });
  expect(await peers.failure({ port: server.port, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED: .*its key/);
});

test("an authority and a name: the name must be the certificate's, and no identity is told", async () => {
  const right = await peers.serve(local);
  const link = await peers.dial({ port: right.port, host: "localhost", trust: { ca: alpha.ca } });
  expect(link.properties.provenIdentity).toBeUndefined();
  const wrong = await peers.serve(elsewhere);
  const outcome = await peers.failure({ port: wrong.port, host: "localhost", trust: { ca: alpha.ca } });
  expect(outcome).toMatch(/^NOT_TRUSTED: .*not issued for the expected name.*localhost/);
  expect(await peers.failure({ port: right.port, host: "localhost", trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
});

test("an authority and an IP address: the address must be the certificate's, and the identity is told", async () => {
  const right = await peers.serve(local);
  const link = await peers.dial({ port: right.port, trust: { ca: alpha.ca } });
  expect(link.properties.provenIdentity).toBe(local.identity);
  const wrong = await peers.serve(elsewhere);
  expect(await peers.failure({ port: wrong.port, trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*127\.0\.0\.1/);
  expect(await peers.failure({ port: right.port, trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
});

test("nothing and a name: a private certificate is NOT_TRUSTED", async () => {
  const server = await peers.serve(mine);
  expect(await peers.failure({ port: server.port, host: "localhost" })).toMatch(/^NOT_TRUSTED: .*authority/);
});

test("nothing and a name that an authority of this machine has certified is reached", async () => {
  const before = getCACertificates("default");
  setDefaultCACertificates([...before, alpha.ca]);
  try {
    const server = await peers.serve(local);
    const link = await peers.dial({ port: server.port, host: "localhost" });
    expect(link.properties.provenIdentity).toBeUndefined();
    // An authority that is given takes the place of the others.
    expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
    const wrong = await peers.serve(elsewhere);
    expect(await peers.failure({ port: wrong.port, host: "localhost" })).toMatch(/^NOT_TRUSTED: .*expected localhost/);
  } finally {
    setDefaultCACertificates(before);
  }
});

test("nothing and an IP address is refused before anything is sent", async () => {
  const server = await peers.serve(mine);
  expect(await peers.failure({ port: server.port })).toMatch(/^NOT_TRUSTED: .*IP address/);
  expect(server.notices).toEqual([]);
});

test("dates count, also for pins", async () => {
  const expired = await makeSelfSigned({ now: Date.now() - 40 * DAY_MS, validDays: 13 });
  const future = await makeSelfSigned({ now: Date.now() + 40 * DAY_MS, validDays: 13 });
  const old = await peers.serve(expired);
  expect(await peers.failure({ port: old.port, host: "localhost", trust: { ca: expired.cert } })).toMatch(/^NOT_TRUSTED: .*expired/);
  expect(await peers.failure({ port: old.port, trust: { pins: [expired.identity] } })).toMatch(/^NOT_TRUSTED: .*expired/);
  const early = await peers.serve(future);
  expect(await peers.failure({ port: early.port, trust: { pins: [future.identity] } })).toMatch(/^NOT_TRUSTED: .*only from/);
});

test("authorities and client certificates that are not PEM are INVALID_ARGUMENT", async () => {
  const server = await peers.serve(mine);
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
  for (const ca of ["garbage", "", broken]) {
    expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca } })).toMatch(/^INVALID_ARGUMENT: .*PEM/);
  }
  const clientCertificate = { cert: "garbage", key: "garbage" };
  expect(await peers.failure({ port: server.port, identity: mine.identity, clientCertificate })).toMatch(/^INVALID_ARGUMENT: .*client/);
});

test("a name whose addresses are refused is not dialled", async () => {
  const server = await peers.serve(mine);
  const shown: string[] = [];
  const checkResolved = (ips: readonly string[]): string => {
    shown.push(...ips);
    return "it is private";
  };
  const trust = { dangerouslyTrustAnyServer: true };
  expect(await peers.failure({ port: server.port, host: "localhost", trust, checkResolved })).toMatch(/^ADDRESS_REFUSED: .*private/);
  expect(shown).toContain("127.0.0.1");
  expect(server.links).toHaveLength(0);
});

test("a client certificate is verified and its identity shown to the server; one that does not verify is refused", async () => {
  const known = await makeSelfSigned();
  const stranger = await makeSelfSigned();
  const server = await peers.serve(mine, { clientCa: known.cert });
  await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: known });
  await peers.dial({ port: server.port, identity: mine.identity });
  expect(await peers.failure({ port: server.port, identity: mine.identity, clientCertificate: stranger })).not.toBe("connected");
  expect(server.links.map((link) => link.properties.clientIdentity)).toEqual([known.identity, undefined]);
  expect(server.notices.join()).toMatch(/client certificate does not verify/);
});

test("a client is known by its certificate in resumed connections too", async () => {
  const known = await makeSelfSigned();
  const server = await peers.serve(mine, { clientCa: known.cert });
  const transport = tcpTransport();
  for (let i = 0; i < 5; i += 1) await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: known }, transport);
  expect(server.links.map((link) => link.properties.clientIdentity)).toEqual(Array.from({ length: 5 }, () => known.identity));
});

test("client certificates of a cluster verify under its authority, those of another do not", async () => {
  const server = await peers.serve(mine, { clientCa: alpha.ca });
  await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: local });
  expect(server.links[0]?.properties.clientIdentity).toBe(local.identity);
  const [stranger] = beta.servers;
  expect(await peers.failure({ port: server.port, identity: mine.identity, clientCertificate: stranger })).not.toBe("connected");
  expect(server.links).toHaveLength(1);
  const unusable = tcpTransport({ clientCa: "garbage" });
  const listening = unusable.listen({ address: { host: "127.0.0.1", port: 0 }, tls: mine, onLink: () => undefined });
  await expect(listening).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("without authorities for clients no certificate is looked at", async () => {
  const server = await peers.serve(mine);
  await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: await makeSelfSigned() });
  expect(server.links[0]?.properties.clientIdentity).toBeUndefined();
});

test("without TLS nothing that proves a server is accepted", async () => {
  const server = await peers.serve(mine, { dangerouslyPlaintext: true });
  const plaintext = tcpTransport({ dangerouslyPlaintext: true });
  expect(await peers.failure({ port: server.port, identity: mine.identity }, plaintext)).toMatch(/^NOT_TRUSTED: .*without TLS/);
  const link = await peers.dial({ port: server.port, trust: { dangerouslyTrustAnyServer: true } }, plaintext);
  expect(link.capabilities.encrypted).toBe(false);
  expect(link.properties.provenIdentity).toBeUndefined();
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
