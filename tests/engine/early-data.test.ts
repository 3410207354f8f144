import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { dial, listen } from "kwik";
import { isQuicAvailable } from "@kwik/transport-quic";
import { expect, test } from "vitest";

/** Types of QUIC packets with a long header. RFC 9000 section 17.2 */
const TYPES = ["initial", "0-rtt", "handshake", "retry"] as const;

/** The long-header packets of one datagram. */
function packetsOf(datagram: Buffer): string[] {
  const types: string[] = [];
  let at = 0;
  const varint = (): number => {
    const first = datagram[at] ?? 0;
    const bytes = 1 << (first >> 6);
    let value = first & 0x3f;
    for (let i = 1; i < bytes; i += 1) value = value * 256 + (datagram[at + i] ?? 0);
    at += bytes;
    return value;
  };
  // Not "at += varint()": that would add to where the number began.
  const skip = (bytes: number): void => {
    at += bytes;
  };
  while (at < datagram.length && ((datagram[at] ?? 0) & 0x80) !== 0) {
    const type = TYPES[((datagram[at] ?? 0) >> 4) & 3] as string;
    types.push(type);
    at += 5;
    at += 1 + (datagram[at] ?? 0);
    at += 1 + (datagram[at] ?? 0);
    if (type === "retry") break;
    if (type === "initial") skip(varint());
    skip(varint());
  }
  return types;
}

/** Passes datagrams on to a server, and notes what clients sent. */
async function relay(serverPort: number): Promise<{ readonly port: number; readonly sent: string[]; close(): void }> {
  const sent: string[] = [];
  const outs = new Map<number, Socket>();
  const front = createSocket("udp4");
  front.on("message", (data, from) => {
    sent.push(...packetsOf(data));
    let out = outs.get(from.port);
    if (out === undefined) {
      out = createSocket("udp4");
      out.on("message", (answer) => front.send(answer, from.port, from.address));
      outs.set(from.port, out);
    }
    out.send(data, serverPort, "127.0.0.1");
  });
  front.bind(0, "127.0.0.1");
  await once(front, "listening");
  const close = (): void => {
    for (const socket of [front, ...outs.values()]) socket.close();
  };
  return { port: front.address().port, sent, close };
}

test("today's QUIC engine sends no data in the first flight, of a second connection neither", async (context) => {
  const available = isQuicAvailable();
  if (!available.ok) context.skip(available.reason);
  const listener = await listen("kwik+quic://127.0.0.1:0", { tls: "self-signed" });
  const between = await relay(Number(listener.address.split(":").at(-1)));
  try {
    for (let round = 0; round < 2; round += 1) {
      const target = `kwik+quic://127.0.0.1:${between.port}`;
      const client = await dial(target, { early: true, trust: { dangerouslyTrustAnyServer: true } });
      const stream = client.openStream();
      await stream.write(Buffer.from("early?"));
      const server = await listener.accept();
      const got = await (await server.acceptStream()).read();
      expect(Buffer.from(got ?? []).toString()).toBe("early?");
      await client.close();
    }
    expect(between.sent.filter((type) => type === "initial").length).toBeGreaterThanOrEqual(2);
    expect(between.sent).toContain("handshake");
    expect(between.sent).not.toContain("0-rtt");
  } finally {
    await listener.close();
    between.close();
  }
});
