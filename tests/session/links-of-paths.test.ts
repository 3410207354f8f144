import { isQuicAvailable } from "@kwik/transport-quic";
import { dial, listen, type LinkInfo, type Listener } from "kwik";
import { afterEach, expect, test } from "vitest";

const listeners: Listener[] = [];
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
});

/** What both ends of one path say of their connection, and what the client says of it at the end. */
async function ends(transport: "quic" | "tcp" | "websocket"): Promise<{ client: LinkInfo; server: LinkInfo; after: LinkInfo | undefined }> {
  const listener = await listen(transport === "quic" ? "kwik+quic://127.0.0.1:0" : "kwik+tcp://127.0.0.1:0", { tls: "self-signed" });
  listeners.push(listener);
  const accepted = listener.accept();
  const session = await dial(listener.address, { transport, trust: { pins: [listener.identity] } });
  const accepting = (await accepted).stats().paths[0];
  const server = accepting?.link;
  const [path] = session.stats().paths;
  const client = path?.link;
  expect(path).toMatchObject({ transport, transportChoice: "option" });
  await session.close();
  if (client === undefined || server === undefined) throw new Error("a path without its connection");
  expect(path?.remoteAddress).toBe(listener.address);
  if (transport !== "quic") expect(client.localAddress).toBe(accepting?.remoteAddress);
  return { client, server, after: session.stats().paths[0]?.link };
}

test.each([
  ["tcp", { streams: false, encrypted: true, earlyData: false }],
  ["websocket", { streams: false, encrypted: true, earlyData: false }],
] as const)("a path over %s says what its connection can do, and where its ends are", async (transport, expected) => {
  const { client, server, after } = await ends(transport);
  for (const end of [client, server]) {
    expect(end).toMatchObject({ ...expected, congestionWindowBytes: undefined });
    expect(end.maxDatagramBytes).toBe(65_535);
    expect(end.bufferedBytes).toBeGreaterThanOrEqual(0);
  }
  expect(after).toBeUndefined();
});

test("a path over QUIC says besides what the engine measures; it sends no early data", async (context) => {
  const available = isQuicAvailable();
  if (!available.ok) context.skip(available.reason);
  const { client, server, after } = await ends("quic");
  for (const end of [client, server]) {
    expect(end).toMatchObject({ streams: true, encrypted: true, earlyData: false });
    expect(end.rttMs).toBeGreaterThan(0);
    expect(end.congestionWindowBytes).toBeGreaterThan(0);
    expect(end.maxDatagramBytes).toBeGreaterThan(1000);
  }
  expect(after).toBeUndefined();
});
