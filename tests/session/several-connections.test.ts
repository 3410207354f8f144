import { generateKeyPairSync } from "node:crypto";
import { type ClientSession, dial, listen, type Listener, type ReceiveStream, type SendStream, type ServerSession } from "kwik";
import { firstDifference, patternBytes } from "@kwik/testkit";
import { afterEach, expect, test } from "vitest";

// Several TCP connections to one server are several paths of one session: real sockets, on the loopback.

const BULK_BYTES = 40_000_000;
const BLOCK_BYTES = 100_000;
/** What each connection carries at least. On one loopback nothing makes the shares equal. */
const MIN_SHARE_BYTES = BULK_BYTES / 100;

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const cluster = {
  ticketSigningKey: privateKey.export({ type: "pkcs8", format: "pem" }),
  ticketVerifyKeys: [publicKey.export({ type: "spki", format: "pem" })],
};
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(): Promise<Listener> {
  const listener = await listen("kwik+tcp://127.0.0.1:0", { tls: "self-signed", cluster });
  closing.push(() => listener.close());
  return listener;
}

async function dialAt(listener: Listener, servers: readonly string[] = []): Promise<ClientSession> {
  const client = await dial(listener.url, { trust: { pins: [listener.identity] }, servers });
  closing.push(() => client.close());
  return client;
}

async function send(stream: SendStream, seed: number): Promise<void> {
  for (let at = 0; at < BULK_BYTES; at += BLOCK_BYTES) await stream.write(patternBytes(seed, at, BLOCK_BYTES));
  await stream.close();
}

/** Reads to the end and compares every byte. */
async function check(stream: ReceiveStream, seed: number): Promise<void> {
  let at = 0;
  for await (const data of stream) {
    expect(firstDifference(seed, at, data)).toBeUndefined();
    at += data.length;
  }
  expect(at).toBe(BULK_BYTES);
}

/** One stream full of bytes in each direction, one after the other, and what each connection carried of it. */
async function bulk(client: ClientSession, server: ServerSession): Promise<{ down: number[]; up: number[] }> {
  const received = (): number[] => client.stats().paths.map((path) => path.bytesReceived);
  const sent = (): number[] => client.stats().paths.map((path) => path.bytesSent);
  const before = { down: received(), up: sent() };
  const downward = server.openUniStream();
  await Promise.all([send(downward, 1), client.acceptUniStream().then((stream) => check(stream, 1))]);
  const upward = client.openUniStream();
  await Promise.all([send(upward, 2), server.acceptUniStream().then((stream) => check(stream, 2))]);
  const since = (now: number[], then: number[]): number[] => now.map((bytes, index) => bytes - (then[index] ?? 0));
  return { down: since(received(), before.down), up: since(sent(), before.up) };
}

// spec: PATH-1, STREAM-5
test.each([1, 2, 4])(
  "one stream in each direction is striped over %i connections that the server asked for, and whole at the end",
  async (connections) => {
    const listener = await serve();
    const client = await dialAt(listener);
    const server = await listener.accept();
    for (let path = 1; path < connections; path += 1) await server.addPath(listener.url, { identity: listener.identity });
    const row = { address: listener.url, transport: "tcp", identity: listener.identity, state: "active" };
    expect(client.stats().paths).toMatchObject(Array(connections).fill(row));
    expect(listener.stats().sessions).toBe(1);
    const { down, up } = await bulk(client, server);
    for (const shares of [down, up]) {
      expect(shares).toHaveLength(connections);
      expect(Math.min(...shares), `shares ${shares.join(", ")}`).toBeGreaterThan(MIN_SHARE_BYTES);
    }
  },
);

test("a client that names one server twice, by other words for the address, has two connections to it", async () => {
  const listener = await serve();
  const client = await dialAt(listener, [listener.url.replace("127.0.0.1", "localhost")]);
  const server = await listener.accept();
  await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active"]);
  const { down, up } = await bulk(client, server);
  expect(Math.min(...down, ...up), `shares ${down.join(", ")} and ${up.join(", ")}`).toBeGreaterThan(MIN_SHARE_BYTES);
});
