import { isKwikError, parseAddress } from "@kwik/core";
import type { DialRequest, Link, Transport, TransportListener } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import type { QuicTransportOptions } from "@kwik/transport-quic";
import { makeSelfSigned, trustAnchorFor, trustAnchorUnder } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { cluster, selfSigned } from "./tls-material.ts";
import type { ServerMaterial } from "./tls-material.ts";

const mine = await selfSigned();
const other = await selfSigned();
const alpha = await cluster(["localhost", "127.0.0.1"], ["elsewhere.example", "10.1.2.3"]);
const beta = await cluster(["localhost"]);
const [local, elsewhere] = alpha.servers as [ServerMaterial, ServerMaterial];

const resolvers = { resolvePin: trustAnchorFor, resolveAuthority: trustAnchorUnder };
const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** Starts a server; answers its port and how many links its users saw. */
async function serve(
  tls: ServerMaterial,
  options: QuicTransportOptions & { port?: number } = {},
): Promise<{ port: number; links: Link[]; listener: TransportListener }> {
  const links: Link[] = [];
  const listener = await quicTransport(options).listen({
    address: { host: "127.0.0.1", port: options.port ?? 0 },
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
async function dial(request: Request, transport: Transport = quicTransport(resolvers)): Promise<Link> {
  const { port, host, trust, ...rest } = request;
  const link = await transport.dial({
    address: { host: host ?? "127.0.0.1", port },
    identity: undefined,
    clientCertificate: undefined,
    timeoutMs: 3_000,
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

// spec: SESS-5, CARRIER-4
test("a pinned self-signed server is reached, its identity proven, and the query stays invisible to it", async () => {
  const server = await serve(mine);
  const link = await dial({ port: server.port, trust: { pins: [mine.identity] } });
  expect(link.properties.provenIdentity).toBe(mine.identity);
  expect(server.links).toHaveLength(1);
  const again = await dial({ port: server.port, identity: mine.identity });
  expect(again.properties.provenIdentity).toBe(mine.identity);
});

test("one pin of several is enough, a wrong one is NOT_TRUSTED", async () => {
  const server = await serve(mine);
  const link = await dial({ port: server.port, trust: { pins: [other.identity, mine.identity] } });
  expect(link.properties.provenIdentity).toBe(mine.identity);
  expect(await failure({ port: server.port, trust: { pins: [other.identity] } })).toMatch(/^NOT_TRUSTED/);
  expect(await failure({ port: server.port, identity: other.identity, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
});

test("a pinned server of a cluster is reached without knowing its authority", async () => {
  const server = await serve(local);
  const link = await dial({ port: server.port, trust: { pins: [local.identity] } });
  expect(link.properties.provenIdentity).toBe(local.identity);
});

// spec: CARRIER-4
test("a server that shows another's certificate cannot answer for it", async () => {
  // Claims `mine` in the query, but has only the key of `other`: the engine is given the one, the query answers with the other.
  const server = await serve({ ...other, cert: `${other.cert}\n${mine.cert}` });
  expect(await failure({ port: server.port, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
});

test("a kept anchor does not outlive the server's certificate", async () => {
  const transport = quicTransport(resolvers);
  const first = await serve(mine);
  await dial({ port: first.port, identity: mine.identity }, transport);
  await first.listener.close();
  await serve(other, { port: first.port });
  expect(await failure({ port: first.port, identity: mine.identity }, transport)).toMatch(/^NOT_TRUSTED/);
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
  expect(await failure({ port: server.port, identity: local.identity, trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*name or key/);
  const right = await serve(local);
  expect(await failure({ port: right.port, host: "localhost", trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await failure({ port: right.port, identity: local.identity, trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED/);
});

test("with nothing but the system's authorities, a private certificate is NOT_TRUSTED", async () => {
  const server = await serve(mine);
  expect(await failure({ port: server.port, host: "localhost" })).toMatch(/^NOT_TRUSTED: .*authority/);
  expect(await failure({ port: server.port })).toMatch(/^NOT_TRUSTED/);
});

test("an expired certificate is NOT_TRUSTED and says so", async () => {
  const expired = await makeSelfSigned({ now: Date.now() - 40 * 86_400_000, validDays: 13 });
  const server = await serve(expired);
  expect(await failure({ port: server.port, host: "localhost", trust: { ca: expired.cert } })).toMatch(/^NOT_TRUSTED: .*expired/);
});

test("authorities that are not PEM are INVALID_ARGUMENT", async () => {
  const server = await serve(mine);
  expect(await failure({ port: server.port, host: "localhost", trust: { ca: "garbage" } })).toMatch(/^INVALID_ARGUMENT/);
});

test("without resolvers pins and IP addresses are NOT_SUPPORTED", async () => {
  const server = await serve(mine);
  expect(await failure({ port: server.port, trust: { pins: [mine.identity] } }, quicTransport())).toMatch(/^NOT_SUPPORTED/);
  expect(await failure({ port: server.port, trust: { ca: alpha.ca } }, quicTransport())).toMatch(/^NOT_SUPPORTED/);
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

test("a client certificate is verified and its identity shown to the server", async () => {
  const clientPair = await makeSelfSigned();
  const server = await serve(mine, { clientCa: clientPair.cert });
  await dial({ port: server.port, identity: mine.identity, clientCertificate: clientPair });
  await dial({ port: server.port, identity: mine.identity });
  expect(server.links.map((link) => link.properties.clientIdentity)).toEqual([clientPair.identity, undefined]);
});
