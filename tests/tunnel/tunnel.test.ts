import { isKwikError } from "@kwik/core";
import {
  acceptTunnel,
  encodeTunnelRequest,
  type IncomingTunnel,
  openTunnel,
  tunnelDatagrams,
  TunnelRefusedError,
  TunnelReset,
} from "@kwik/tunnel";
import { expect, test } from "vitest";
import { bytes, TestCluster } from "../session/pair.ts";

const target = { kind: "tcp", host: "example.org", port: 80 } as const;

async function textOf(tunnel: { read(): Promise<Uint8Array | null> }): Promise<string> {
  let text = "";
  for (let data = await tunnel.read(); data !== null; data = await tunnel.read()) text += Buffer.from(data).toString();
  return text;
}

// spec: TUN-5
test("payload follows the request at once, and the answer is not part of what is read", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const tunnel = await openTunnel(client, target);
  await tunnel.write(bytes("question"));
  const closed = tunnel.close();
  const incoming = await acceptTunnel(await server.acceptStream());
  expect(incoming.target).toEqual(target);
  expect(await textOf(incoming)).toBe("question");
  incoming.accept({ host: "10.0.0.7", port: 5000 });
  await incoming.write(bytes("answer"));
  void incoming.close();
  expect(await textOf(tunnel)).toBe("answer");
  expect(await tunnel.connected).toEqual({ host: "10.0.0.7", port: 5000 });
  await closed;
});

test("a request that comes byte by byte is read as one that comes at once", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  const accepting = server.acceptStream().then((incoming) => acceptTunnel(incoming));
  for (const byte of encodeTunnelRequest(target)) {
    await stream.write(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await stream.write(bytes("!"));
  const incoming = await accepting;
  expect(incoming.target).toEqual(target);
  const buffer = new Uint8Array(8);
  expect(await incoming.readInto(buffer)).toBe(1);
});

// spec: TUN-4
test("a refusal ends the tunnel with its name and reason, also for who writes on", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const tunnel = await openTunnel(client, target);
  const incoming = await acceptTunnel(await server.acceptStream());
  incoming.refuse("not-allowed", "example.org is not on the list");
  const error: unknown = await tunnel.connected.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TunnelRefusedError);
  expect(error).toMatchObject({ refusal: "not-allowed", code: "ADDRESS_REFUSED", remote: true });
  expect((error as Error).message).toContain("tcp example.org:80: example.org is not on the list");
  await expect(tunnel.read()).rejects.toBe(error);
  await expect(tunnel.write(bytes("more"))).rejects.toMatchObject({ code: "APPLICATION" });
  expect(() => incoming.accept()).toThrow(expect.objectContaining({ code: "CLOSED" }));
});

// spec: TUN-2
test.each([
  ["another protocol", bytes("GET / HTTP/1.1\r\n\r\n"), "bad-request"],
  ["a body beyond the limit", Uint8Array.of(0x4b, 0x54, 1, 0, 0x04, 0x01), "bad-request"],
  ["an unknown kind", Uint8Array.of(0x4b, 0x54, 1, 9, 0, 0), "not-supported"],
  ["an unknown version", Uint8Array.of(0x4b, 0x54, 2, 0, 0, 0), "not-supported"],
  ["half a request", Uint8Array.of(0x4b, 0x54), "bad-request"],
])("%s is answered as the page says", async (_name, request, refusal) => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(request);
  void stream.close().catch(() => undefined);
  const outcome = acceptTunnel(await server.acceptStream()).catch((error: unknown) => isKwikError(error) && error.code);
  const answer = (await stream.read()) as Uint8Array;
  expect(answer[0]).toBe(refusal === "bad-request" ? 1 : 9);
  expect(await outcome).toMatch(/^(PROTOCOL_VIOLATION|NOT_SUPPORTED|VERSION)$/);
});

test("a request that never becomes whole, and an answer that never comes, end in their time", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const slow = client.openStream();
  await slow.write(Uint8Array.of(0x4b));
  await expect(acceptTunnel(await server.acceptStream(), { timeoutMs: 20 })).rejects.toMatchObject({ code: "TIMEOUT" });
  await expect(slow.read()).rejects.toMatchObject({ errorCode: TunnelReset.idle });

  const tunnel = await openTunnel(client, target, { timeoutMs: 20 });
  const incoming = await acceptTunnel(await server.acceptStream());
  await expect(tunnel.connected).rejects.toMatchObject({ code: "TIMEOUT" });
  await expect(incoming.read()).rejects.toMatchObject({ errorCode: TunnelReset.cancelled });
});

test("an aborted tunnel says so on both sides", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const controller = new AbortController();
  const tunnel = await openTunnel(client, target, { signal: controller.signal });
  const incoming = await acceptTunnel(await server.acceptStream());
  controller.abort();
  await expect(tunnel.connected).rejects.toMatchObject({ code: "ABORTED" });
  await expect(incoming.read()).rejects.toMatchObject({ errorCode: TunnelReset.cancelled });
});

// spec: TUN-7, TUN-8, TUN-9
test("packets of an association reach it by the id of its stream; others are counted", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const tunnel = await openTunnel(client, { kind: "udp" });
  const incoming: IncomingTunnel = await acceptTunnel(await server.acceptStream());
  expect(incoming.target).toEqual({ kind: "udp" });
  incoming.accept({ host: "127.0.0.1", port: 9 });
  const arrived = new Promise((resolve) => {
    tunnelDatagrams(server).attach(incoming.id, (packet) => resolve({ ...packet, payload: Buffer.from(packet.payload).toString() }));
  });
  const address = { host: "dns.example", port: 53 };
  expect(client.sendDatagram(bytes("not ours"))).toBe(true);
  expect(tunnelDatagrams(client).send(tunnel.id, { address, payload: bytes("hi") })).toBe(true);
  expect(tunnelDatagrams(client).send(tunnel.id, { address, payload: new Uint8Array(20_000) })).toBe(false);
  expect(tunnelDatagrams(client).send(tunnel.id, { address: { host: "a b", port: 1 }, payload: bytes("hi") })).toBe(false);
  expect(await arrived).toEqual({ address, payload: "hi" });
  expect(tunnelDatagrams(server).unclaimed).toBe(1);
});
