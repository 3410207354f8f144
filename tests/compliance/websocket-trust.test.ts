import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { isKwikError, parseAddress } from "@kwik/core";
import type { DialRequest, Link, Transport, TransportListener } from "@kwik/core";
import { webSocketTransport } from "@kwik/transport-websocket";
import type { WebSocketTransportOptions } from "@kwik/transport-websocket";
import { makeSelfSigned } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { cluster, selfSigned } from "./tls-material.ts";
import type { ServerMaterial } from "./tls-material.ts";

const mine = await selfSigned();
const other = await selfSigned();
const alpha = await cluster(["localhost", "127.0.0.1"], ["elsewhere.example", "10.1.2.3"]);
const beta = await cluster(["localhost"]);
const [local, elsewhere] = alpha.servers as [ServerMaterial, ServerMaterial];
const [betaLocal] = beta.servers as [ServerMaterial];

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** Starts a server; answers its port and the links that its users saw. */
async function serve(
  tls: ServerMaterial,
  options: WebSocketTransportOptions = {},
): Promise<{ port: number; links: Link[]; listener: TransportListener }> {
  const links: Link[] = [];
  const listener = await webSocketTransport(options).listen({
    address: { host: "127.0.0.1", port: 0 },
    tls,
    onLink: (link) => {
      links.push(link);
      link.attach({
        onCarrier: (carrier) => {
          carrier.receiver = { onData: (data) => carrier.send([data]), onEnd: () => undefined };
        },
        onDatagram: () => undefined,
        onClose: () => undefined,
        onBatchEnd: () => undefined,
      });
    },
  });
  open.push(listener);
  return { port: parseAddress(listener.address).port, links, listener };
}

type Request = Partial<Omit<DialRequest, "trust">> & { port: number; host?: string; trust?: Partial<DialRequest["trust"]> };

/** Dials, and has one byte echoed to prove that the link carries data. */
async function dial(request: Request, transport: Transport = webSocketTransport()): Promise<Link> {
  const { port, host, trust, ...rest } = request;
  const link = await transport.dial({
    address: { host: host ?? "127.0.0.1", port },
    identity: undefined,
    clientCertificate: undefined,
    timeoutMs: 10_000,
    signal: undefined,
    ...rest,
    trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: false, ...trust },
  });
  open.push({ close: () => link.close(0, "") });
  await new Promise<void>((resolve, reject) => {
    link.attach({
      onCarrier: () => undefined,
      onDatagram: () => undefined,
      onClose: (info) => reject(new Error(`closed: ${info.code} ${info.reason}`)),
      onBatchEnd: () => undefined,
    });
    const carrier = link.openCarrier();
    if (carrier === undefined) throw new Error("no carrier");
    carrier.receiver = { onData: () => resolve(), onEnd: () => reject(new Error("ended")) };
    carrier.send([Uint8Array.of(7)]);
  });
  return link;
}

async function failure(request: Request, transport?: Transport): Promise<string> {
  try {
    await dial(request, transport);
    return "connected";
  } catch (error) {
    return isKwikError(error) ? `${error.code}: ${error.message}` : String(error);
  }
}

// spec: SESS-5
test("a pinned server is reached on one connection and its identity proven", async () => {
  const server = await serve(mine);
  const byPin = await dial({ port: server.port, trust: { pins: [mine.identity] } });
  expect(byPin.properties.provenIdentity).toBe(mine.identity);
  expect(server.links).toHaveLength(1);
  const byIdentity = await dial({ port: server.port, identity: mine.identity });
  expect(byIdentity.properties.provenIdentity).toBe(mine.identity);
  const byName = await dial({ port: server.port, host: "localhost", identity: mine.identity });
  expect(byName.properties.provenIdentity).toBe(mine.identity);
});

test("one pin of several is enough, a wrong one is NOT_TRUSTED, and an identity goes before the pins", async () => {
  const server = await serve(mine);
  const link = await dial({ port: server.port, trust: { pins: [other.identity, mine.identity] } });
  expect(link.properties.provenIdentity).toBe(mine.identity);
  expect(await failure({ port: server.port, trust: { pins: [other.identity] } })).toMatch(/^NOT_TRUSTED: .*its key is/);
  expect(await failure({ port: server.port, identity: other.identity, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
  expect(server.links).toHaveLength(1);
});

test("several pins under an authority need both", async () => {
  const server = await serve(local);
  const pins = [elsewhere.identity, local.identity];
  const link = await dial({ port: server.port, trust: { pins, ca: alpha.ca } });
  expect(link.properties.provenIdentity).toBe(local.identity);
  expect(await failure({ port: server.port, trust: { pins, ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  const pinsOfOthers = [elsewhere.identity, other.identity];
  expect(await failure({ port: server.port, trust: { pins: pinsOfOthers, ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*its key is/);
});

test("a pinned server of a cluster is reached without knowing its authority", async () => {
  const server = await serve(local);
  const link = await dial({ port: server.port, trust: { pins: [local.identity] } });
  expect(link.properties.provenIdentity).toBe(local.identity);
});

test("a server that shows another's certificate behind its own cannot answer for it", async () => {
  const server = await serve({ ...other, cert: `${other.cert}\n${mine.cert}` });
  expect(await failure({ port: server.port, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
});

test("under an authority the name, the IP address or the identity is proven", async () => {
  const server = await serve(local);
  const byName = await dial({ port: server.port, host: "localhost", trust: { ca: alpha.ca } });
  expect(byName.properties.provenIdentity).toBeUndefined();
  const byAddress = await dial({ port: server.port, trust: { ca: alpha.ca } });
  expect(byAddress.properties.provenIdentity).toBe(local.identity);
  const byIdentity = await dial({ port: server.port, identity: local.identity, trust: { ca: alpha.ca } });
  expect(byIdentity.properties.provenIdentity).toBe(local.identity);
});

test("under an authority another name, address, identity or authority is NOT_TRUSTED, each with its reason", async () => {
  const server = await serve(elsewhere);
  expect(await failure({ port: server.port, host: "localhost", trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*name/);
  expect(await failure({ port: server.port, trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*127\.0\.0\.1/);
  expect(await failure({ port: server.port, identity: local.identity, trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*its key is/);
  const right = await serve(local);
  expect(await failure({ port: right.port, host: "localhost", trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await failure({ port: right.port, identity: local.identity, trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(server.links.length + right.links.length).toBe(0);
});

test("with nothing but the system's authorities, a private certificate is NOT_TRUSTED and an IP address refused", async () => {
  const server = await serve(local);
  expect(await failure({ port: server.port, host: "localhost" })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await failure({ port: server.port })).toMatch(/^NOT_TRUSTED: the system's authorities cannot verify the IP address/);
});

test("the system's authorities prove a name, and a given authority replaces them", async () => {
  const before = getCACertificates("default");
  setDefaultCACertificates([beta.ca]);
  try {
    const server = await serve(betaLocal);
    const link = await dial({ port: server.port, host: "localhost" });
    expect(link.properties.provenIdentity).toBeUndefined();
    expect(await failure({ port: server.port, host: "localhost", trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  } finally {
    setDefaultCACertificates(before);
  }
});

test("an expired certificate is NOT_TRUSTED and says so, under an authority and by pin", async () => {
  const expired = await makeSelfSigned({ now: Date.now() - 40 * 86_400_000, validDays: 13 });
  const server = await serve(expired);
  expect(await failure({ port: server.port, host: "localhost", trust: { ca: expired.cert } })).toMatch(/^NOT_TRUSTED: .*expired/);
  expect(await failure({ port: server.port, trust: { pins: [expired.identity] } })).toMatch(/^NOT_TRUSTED: .*expired/);
});

test("authorities, certificates and keys that are not PEM are INVALID_ARGUMENT", async () => {
  const server = await serve(mine);
  expect(await failure({ port: server.port, host: "localhost", trust: { ca: "garbage" } })).toMatch(/^INVALID_ARGUMENT/);
  const clientCertificate = { cert: "garbage", key: "garbage" };
  expect(await failure({ port: server.port, identity: mine.identity, clientCertificate })).toMatch(/^INVALID_ARGUMENT/);
  await expect(serve({ ...mine, key: other.key })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(serve(mine, { clientCa: "garbage" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a server that is not believed is told nothing, not even what was wanted of it", async () => {
  let told = 0;
  const ended: Promise<unknown>[] = [];
  const impostor = createTlsServer({ cert: other.cert, key: other.key }, (socket) => {
    socket.on("data", (data) => (told += data.length));
    socket.on("error", () => undefined);
  });
  impostor.on("connection", (socket) => ended.push(new Promise((resolve) => socket.once("close", resolve))));
  impostor.listen(0, "127.0.0.1");
  await once(impostor, "listening");
  const { port } = impostor.address() as AddressInfo;
  expect(await failure({ port, identity: mine.identity })).toMatch(/^NOT_TRUSTED/);
  expect(await failure({ port, host: "localhost", trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED/);
  while (ended.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await Promise.all(ended);
  expect(told).toBe(0);
  // The same impostor does hear a request of whoever believes everybody: the test could see one.
  void failure({ port, timeoutMs: 500, trust: { dangerouslyTrustAnyServer: true } });
  while (told === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  impostor.close();
});

test("a name whose addresses are refused is not dialled", async () => {
  const server = await serve(mine);
  const shown: string[][] = [];
  const outcome = await failure({
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
  const server = await serve(mine, { clientCa: clientPair.cert });
  await dial({ port: server.port, identity: mine.identity, clientCertificate: clientPair });
  await dial({ port: server.port, identity: mine.identity });
  expect(await failure({ port: server.port, identity: mine.identity, clientCertificate: other })).toMatch(/403/);
  expect(server.links.map((link) => link.properties.clientIdentity)).toEqual([clientPair.identity, undefined]);
  const [betaMember] = beta.servers;
  const forMembers = await serve(mine, { clientCa: alpha.ca });
  await dial({ port: forMembers.port, identity: mine.identity, clientCertificate: local });
  expect(await failure({ port: forMembers.port, identity: mine.identity, clientCertificate: betaMember })).toMatch(/403/);
  const forOne = await serve(mine, { clientCa: new X509Certificate(local.cert).toString() });
  expect(await failure({ port: forOne.port, identity: mine.identity, clientCertificate: elsewhere })).toMatch(/403/);
  expect([forMembers, forOne].map(({ links }) => links.map((link) => link.properties.clientIdentity))).toEqual([[local.identity], []]);
  const expired = await makeSelfSigned({ now: Date.now() - 40 * 86_400_000, validDays: 13 });
  const late = await serve(mine, { clientCa: expired.cert });
  expect(await failure({ port: late.port, identity: mine.identity, clientCertificate: expired })).toMatch(/403/);
  const indifferent = await serve(mine);
  await dial({ port: indifferent.port, identity: mine.identity, clientCertificate: clientPair });
  expect(indifferent.links[0]?.properties.clientIdentity).toBeUndefined();
});

test("without TLS nobody can be verified, and links say that they are not encrypted", async () => {
  const plaintext = webSocketTransport({ dangerouslyPlaintext: true });
  const server = await serve(mine, { dangerouslyPlaintext: true });
  expect(await failure({ port: server.port, identity: mine.identity }, plaintext)).toMatch(/^NOT_TRUSTED/);
  const link = await dial({ port: server.port, trust: { dangerouslyTrustAnyServer: true } }, plaintext);
  expect([link.capabilities.encrypted, server.links[0]?.capabilities.encrypted]).toEqual([false, false]);
  const secure = await serve(mine);
  const encrypted = await dial({ port: secure.port, identity: mine.identity });
  expect([encrypted.capabilities.encrypted, secure.links[0]?.capabilities.encrypted]).toEqual([true, true]);
  expect(await failure({ port: server.port, identity: mine.identity })).toMatch(/^NOT_KWIK: .*TLS/);
});
