import { type Carrier, type ClientSession, isKwikError, type PathInfo, type ServerSession, type TransportListener } from "@kwik/core";
import { CarrierKind, ControlDecoder, encodePreamble, EVERY_MESSAGE } from "@kwik/proto";
import { expect, test } from "vitest";
import { bytes, TestCluster, textOf } from "./pair.ts";

const HANDSHAKE_MS = 400;

interface Answer {
  readonly code: string;
  /** The words, without the address that was asked for. */
  readonly words: string;
  readonly afterMs: number;
}

/** Asks for a path and waits for the answer. */
async function ask(server: ServerSession, address: string, identity?: string): Promise<Answer> {
  const start = performance.now();
  const outcome: unknown = await server.addPath(address, identity === undefined ? {} : { identity }).then(
    () => "active",
    (error: unknown) => error,
  );
  const afterMs = performance.now() - start;
  if (!isKwikError(outcome)) return { code: String(outcome), words: "", afterMs };
  return { code: outcome.code, words: outcome.message.replaceAll(address, "ADDRESS"), afterMs };
}

/** What the primary can see of paths to others. */
function rows(server: ServerSession): (readonly [state: string, reason: string])[] {
  return server
    .allPaths()
    .filter((path: PathInfo) => !path.local)
    .map(({ state, reason }) => [state, reason] as const);
}

function failures(client: ClientSession): Map<string, string> {
  const seen = new Map<string, string>();
  void (async () => {
    for await (const event of client.events()) if (event.type === "path-failed") seen.set(event.address, event.code);
  })();
  return seen;
}

// spec: PATH-15
test("a primary that has its client dial a whole network gets sixteen dials, and learns of none of them what was there", async () => {
  await using cluster = new TestCluster();
  const primary = await cluster.serve();
  const limits = { handshakeTimeoutMs: HANDSHAKE_MS, maxPaths: 512 };
  const client = await cluster.dial(primary, { limits });
  const server = await primary.next();
  const reasons = failures(client);
  // A machine of the network that the primary knows nothing of: it is there, and not who was announced.
  const stranger = await cluster.serve();
  const [, port] = stranger.address.split(":");
  const dialledBefore = cluster.network.dialled.length;
  const network = Array.from({ length: 254 }, (_, index) => `127.0.0.${index + 1}:${port}`);
  const answers = await Promise.all(network.map((address) => ask(server, address, `sha256:${"9".repeat(64)}`)));
  expect(cluster.network.dialled.length - dialledBefore).toBe(16);
  const [vain, refused] = [answers.filter(({ code }) => code === "TIMEOUT"), answers.filter(({ code }) => code === "LIMIT_REACHED")];
  expect([vain.length, refused.length]).toEqual([16, 238]);
  // The stranger was the first to be dialled, and its answer is that of the fifteen where nobody was.
  expect(cluster.network.dialled[dialledBefore]).toBe(stranger.address);
  expect(new Set(vain.map(({ words }) => words)).size).toBe(1);
  for (const { afterMs } of vain) expect(afterMs).toBeGreaterThanOrEqual(HANDSHAKE_MS - 1);
  expect(new Set(rows(server).map((row) => row.join()))).toEqual(new Set([`dead,no answer within ${HANDSHAKE_MS} ms`]));
  // The client's own application knows better.
  expect(reasons.get(stranger.address)).toBe("NOT_TRUSTED");
  expect(reasons.get(`127.0.0.2:${port}`)).toBe("UNREACHABLE");
  expect(stranger.listener.stats().acceptedSessions).toBe(0);
  // The session is none the worse, and the user's own servers are still dialled.
  const stream = client.openStream();
  await stream.write(bytes("here"));
  void stream.close();
  expect(await textOf(await server.acceptStream())).toBe("here");
});

// spec: PATH-15
test("ports of one host tell no more than hosts of a network, while they are dialled and afterwards", async () => {
  await using cluster = new TestCluster();
  const primary = await cluster.serve();
  const open = await cluster.serve();
  const limits = { handshakeTimeoutMs: HANDSHAKE_MS };
  await cluster.dial(primary, { limits });
  const server = await primary.next();
  const announced = `sha256:${"9".repeat(64)}`;
  const asked = [open.address, "127.0.0.1:5001", "127.0.0.1:5002"].map((address) => ask(server, address, announced));
  await expect.poll(() => rows(server).length).toBe(3);
  // By now all of them have failed at the client.
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(new Set(rows(server).map(([state]) => state))).toEqual(new Set(["connecting"]));
  const answers = await Promise.all(asked);
  expect(new Set(answers.map(({ code, words }) => `${code} ${words}`)).size).toBe(1);
});

test("servers that prove themselves cost nothing, however many they are", async () => {
  await using cluster = new TestCluster();
  const primary = await cluster.serve();
  await cluster.dial(primary, { limits: { maxVainDials: 2, maxPaths: 64 } });
  const server = await primary.next();
  for (let i = 0; i < 8; i += 1) {
    const next = await cluster.serve();
    expect(await ask(server, next.address, next.identity)).toMatchObject({ code: "active" });
  }
});

test("vain dials come back with time", async () => {
  await using cluster = new TestCluster();
  const primary = await cluster.serve();
  await cluster.dial(primary, { limits: { handshakeTimeoutMs: 50, maxVainDials: 1, vainDialsPerMinute: 300 } });
  const server = await primary.next();
  expect(await ask(server, "127.0.0.1:5001")).toMatchObject({ code: "TIMEOUT" });
  await expect.poll(async () => (await ask(server, "127.0.0.1:5002")).code).toBe("TIMEOUT");
});

test.each([
  ["10.0.0.1:4433", "private"],
  ["127.0.0.1:4433", "loopback"],
  ["[fe80::1]:4433", "link-local"],
  ["224.0.0.1:4433", "multicast"],
  ["169.254.169.254:4433", "metadata"],
  ["[fd00:ec2::254]:4433", "metadata"],
  ["[::ffff:10.0.0.1]:4433", "private"],
  ["[64:ff9b::a9fe:a9fe]:4433", "metadata"],
  ["[2002:a00:1::1]:4433", "private"],
  ["0x7f.1:4433", "loopback"],
  ["localhost:4433", "private name"],
  ["8.8.8.8:25", "port 25"],
  ["8.8.8.8:6379", "port 6379"],
])("a client of a public primary is not sent to %s, and nothing is dialled", async (address, why) => {
  await using cluster = new TestCluster({ clientHost: () => "192.88.1.1" });
  const primary = await cluster.serve({}, undefined, "203.1.1.1");
  await cluster.dial(primary);
  const server = await primary.next();
  const before = cluster.network.dialled.length;
  expect(await ask(server, address)).toMatchObject({ code: "ADDRESS_REFUSED", words: expect.stringContaining(why) });
  expect(cluster.network.dialled.length).toBe(before);
});

// spec: PATH-15
test("a name that leads to a private address is not dialled, at first or later, and the server does not learn that it does", async () => {
  let answers = ["203.1.1.2"];
  await using cluster = new TestCluster({ resolve: (host) => (host === "b.example" ? answers : undefined) });
  const primary = await cluster.serve({}, undefined, "203.1.1.1");
  const b = await cluster.serve({}, undefined, "203.1.1.2");
  const client = await cluster.dial(primary, { limits: { handshakeTimeoutMs: HANDSHAKE_MS } });
  const server = await primary.next();
  const reasons = failures(client);
  const name = `b.example:${b.address.split(":")[1]}`;
  expect(await ask(server, name, b.identity)).toMatchObject({ code: "active" });
  // Rebinding: the path dies, and the name leads elsewhere when it is dialled again.
  answers = ["192.168.1.1"];
  const before = cluster.network.dialled.length;
  cluster.network.connections.at(-1)?.kill();
  await expect.poll(() => reasons.get(name)).toBe("ADDRESS_REFUSED");
  expect(cluster.network.dialled.slice(before)).toEqual([]);
  // One good address among others does not help.
  answers = ["203.1.1.2", "10.0.0.1"];
  const other = `b.example:${Number(b.address.split(":")[1]) + 1}`;
  const [toName, toNobody] = await Promise.all([ask(server, other), ask(server, "203.1.1.9:4433")]);
  expect(cluster.network.dialled.slice(before)).toEqual(["203.1.1.9:4433"]);
  expect([toName.code, toName.words]).toEqual([toNobody.code, toNobody.words]);
  expect(reasons.get(other)).toBe("ADDRESS_REFUSED");
});

// spec: PATH-15
test("replacements that a leaving server names are dialled no more often than other addresses", async () => {
  await using cluster = new TestCluster();
  const primary = await cluster.serve();
  await cluster.dial(primary, { limits: { maxVainDials: 2 } });
  await primary.next();
  const before = cluster.network.dialled.length;
  const replacements = Array.from({ length: 8 }, (_, index) => `127.0.0.1:${5001 + index}`);
  await primary.listener.close({ graceMs: 500, replacements });
  const dialled = new Set(cluster.network.dialled.slice(before));
  dialled.delete(primary.address);
  expect([...dialled]).toEqual(["127.0.0.1:5001", "127.0.0.1:5002"]);
});

test("a token is not sent where there is a ticket, nor to servers that a server names", async () => {
  await using cluster = new TestCluster();
  const primary = await cluster.serve();
  const heard: { readonly token: string; readonly ticket: string }[] = [];
  const spy = async (port: number): Promise<TransportListener> =>
    cluster.network.transport.listen({
      address: { host: "127.0.0.1", port },
      tls: { cert: `sha256:${"8".repeat(64)}`, key: "" },
      onLink: (link) => {
        const decoder = new ControlDecoder({ maxControlMessageBytes: 1_000_000 }, EVERY_MESSAGE);
        let preamble = encodePreamble(CarrierKind.control).length;
        const onData = (data: Uint8Array): void => {
          decoder.push(data.subarray(preamble));
          preamble = 0;
          const first = decoder.poll();
          if (first?.body.case === "join") heard.push(first.body.value);
        };
        const onCarrier = (carrier: Carrier): void => void (carrier.receiver = { onData, onEnd: () => undefined });
        link.attach({ onCarrier, onDatagram: () => undefined, onClose: () => undefined, onBatchEnd: () => undefined });
      },
    });
  const [own, named] = [await spy(6001), await spy(6002)];
  const client = await cluster.dial(primary, { credentials: { token: "secret" }, servers: ["kwik://127.0.0.1:6001"] });
  const server = await primary.next();
  await expect.poll(() => heard.length, { timeout: 30_000 }).toBe(1);
  void server.addPath("127.0.0.1:6002").catch(() => undefined);
  await expect.poll(() => heard.length, { timeout: 30_000 }).toBe(2);
  // The primary gives tickets for both: neither needs the token then.
  expect(heard.map(({ token, ticket }) => [token, ticket !== ""])).toEqual([
    ["", true],
    ["", true],
  ]);
  await client.close();
  await own.close();
  await named.close();
});
