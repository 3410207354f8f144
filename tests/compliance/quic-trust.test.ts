import type { Transport } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import type { QuicTransportOptions } from "@kwik/transport-quic";
import { makeSelfSigned, trustAnchorFor, trustAnchorUnder } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { LinkPeers } from "./link-peers.ts";
import { cluster, selfSigned } from "./tls-material.ts";
import type { ServerMaterial } from "./tls-material.ts";

const mine = await selfSigned();
const other = await selfSigned();
const alpha = await cluster(["localhost", "127.0.0.1"], ["elsewhere.example", "10.1.2.3"]);
const beta = await cluster(["localhost"]);
const [local, elsewhere] = alpha.servers as [ServerMaterial, ServerMaterial];

const resolvers = { resolvePin: trustAnchorFor, resolveAuthority: trustAnchorUnder };
const transport = (options: QuicTransportOptions = {}): Transport => quicTransport({ ...resolvers, ...options });
const peers = new LinkPeers(transport);
afterEach(() => peers.close());

// spec: SESS-5, CARRIER-4
test("a pinned self-signed server is reached, its identity proven, and the query stays invisible to it", async () => {
  const server = await peers.serve(mine);
  const link = await peers.dial({ port: server.port, trust: { pins: [mine.identity] } });
  expect(link.properties.provenIdentity).toBe(mine.identity);
  expect(server.links).toHaveLength(1);
  const again = await peers.dial({ port: server.port, identity: mine.identity });
  expect(again.properties.provenIdentity).toBe(mine.identity);
});

test("one pin of several is enough, a wrong one is NOT_TRUSTED", async () => {
  const server = await peers.serve(mine);
  const link = await peers.dial({ port: server.port, trust: { pins: [other.identity, mine.identity] } });
  expect(link.properties.provenIdentity).toBe(mine.identity);
  expect(await peers.failure({ port: server.port, trust: { pins: [other.identity] } })).toMatch(/^NOT_TRUSTED/);
  expect(await peers.failure({ port: server.port, identity: other.identity, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
});

test("a pinned server of a cluster is reached without knowing its authority", async () => {
  const server = await peers.serve(local);
  const link = await peers.dial({ port: server.port, trust: { pins: [local.identity] } });
  expect(link.properties.provenIdentity).toBe(local.identity);
});

// spec: CARRIER-4
test("a server that shows another's certificate cannot answer for it", async () => {
  // Claims `mine` in the query, but has only the key of `other`: the engine is given the one, the query answers with the other.
  const server = await peers.serve({ ...other, cert: `${other.cert}\n${mine.cert}` });
  expect(await peers.failure({ port: server.port, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
});

test("a kept anchor does not outlive the server's certificate", async () => {
  const oneTransport = transport();
  const first = await peers.serve(mine);
  await peers.dial({ port: first.port, identity: mine.identity }, oneTransport);
  await first.listener.close();
  await peers.serve(other, {}, { port: first.port });
  expect(await peers.failure({ port: first.port, identity: mine.identity }, oneTransport)).toMatch(/^NOT_TRUSTED/);
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
    /^NOT_TRUSTED: .*name or key/,
  );
  const right = await peers.serve(local);
  expect(await peers.failure({ port: right.port, host: "localhost", trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await peers.failure({ port: right.port, identity: local.identity, trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED/);
});

test("with nothing but the system's authorities, a private certificate is NOT_TRUSTED", async () => {
  const server = await peers.serve(mine);
  expect(await peers.failure({ port: server.port, host: "localhost" })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await peers.failure({ port: server.port })).toMatch(/^NOT_TRUSTED/);
});

test("an expired certificate is NOT_TRUSTED and says so", async () => {
  const expired = await makeSelfSigned({ now: Date.now() - 40 * 86_400_000, validDays: 13 });
  const server = await peers.serve(expired);
  expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca: expired.cert } })).toMatch(/^NOT_TRUSTED: .*expired/);
});

test("authorities that are not PEM are INVALID_ARGUMENT", async () => {
  const server = await peers.serve(mine);
  expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca: "garbage" } })).toMatch(/^INVALID_ARGUMENT/);
});

test("without resolvers pins and IP addresses are NOT_SUPPORTED", async () => {
  const server = await peers.serve(mine);
  expect(await peers.failure({ port: server.port, trust: { pins: [mine.identity] } }, quicTransport())).toMatch(/^NOT_SUPPORTED/);
  expect(await peers.failure({ port: server.port, trust: { ca: alpha.ca } }, quicTransport())).toMatch(/^NOT_SUPPORTED/);
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

test("a client certificate is verified and its identity shown to the server", async () => {
  const clientPair = await makeSelfSigned();
  const server = await peers.serve(mine, { clientCa: clientPair.cert });
  await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: clientPair });
  await peers.dial({ port: server.port, identity: mine.identity });
  expect(server.links.map((link) => link.properties.clientIdentity)).toEqual([clientPair.identity, undefined]);
});
