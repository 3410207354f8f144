import { createSocket, type Socket } from "node:dgram";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { dial, isKwikError, listen, type ListenOptions, type ServerSession } from "kwik";
import { afterEach, expect, test } from "vitest";

// What is sent towards an address before whoever is there has shown that it wants it: counted on sockets of this machine.

/** The time that a silent address is given, and how long a server is listened to that a stranger made answer. */
const HANDSHAKE_MS = 2_000;
/** What a handshake that nobody answers sends at most by UDP: its first packet, and that again after a second or so. */
const MAX_DATAGRAMS = 4;
const MAX_UDP_BYTES = MAX_DATAGRAMS * 1_500;
/** By TCP: a hello of TLS each for the two transports over it. */
const MAX_TCP_CONNECTIONS = 2;
const MAX_TCP_BYTES = 2_000;
const STRANGER = `sha256:${"9".repeat(64)}`;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Heard {
  readonly port: number;
  readonly datagrams: readonly Buffer[];
  readonly udpBytes: () => number;
  readonly tcpConnections: () => number;
  readonly tcpBytes: () => number;
}

async function udpSocket(port = 0): Promise<Socket> {
  const socket = createSocket("udp4");
  closing.push(() => socket.close());
  socket.bind(port, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

/** An address that hears everything, by UDP and TCP, and answers nothing. */
async function silentAddress(): Promise<Heard> {
  let [tcpConnections, tcpBytes] = [0, 0];
  const server = createServer((socket) => {
    tcpConnections += 1;
    socket.on("data", (data) => (tcpBytes += data.length));
    socket.on("error", () => undefined);
    closing.push(() => socket.destroy());
  });
  closing.push(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = await udpSocket(port);
  const datagrams: Buffer[] = [];
  socket.on("message", (data) => datagrams.push(data));
  return { port, datagrams, udpBytes: () => lengthOf(datagrams), tcpConnections: () => tcpConnections, tcpBytes: () => tcpBytes };
}

function lengthOf(datagrams: readonly Buffer[]): number {
  return datagrams.reduce((sum, { length }) => sum + length, 0);
}

/** The server's side of a session over this machine. It may have its client dial loopback addresses. */
async function serverOf(maxVainDials: number): Promise<ServerSession> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const cluster = {
    ticketSigningKey: privateKey.export({ type: "pkcs8", format: "pem" }),
    ticketVerifyKeys: [publicKey.export({ type: "spki", format: "pem" })],
  };
  const listener = await listen("127.0.0.1:0", { tls: "self-signed", cluster });
  closing.push(() => listener.close());
  const client = await dial(listener.url, {
    trust: { pins: [listener.identity] },
    limits: { handshakeTimeoutMs: HANDSHAKE_MS, maxVainDials, vainDialsPerMinute: 0.001 },
  });
  closing.push(() => client.close());
  return listener.accept();
}

async function ask(server: ServerSession, { port }: Heard, identity?: string): Promise<string> {
  return server.addPath(`127.0.0.1:${port}`, identity === undefined ? {} : { identity }).then(
    () => "active",
    (error: unknown) => (isKwikError(error) ? error.code : String(error)),
  );
}

// spec: PATH-15
test.each([STRANGER, undefined])(
  "an advertised address that answers nothing is sent a handshake, and nothing later (identity %s)",
  async (identity) => {
    const server = await serverOf(16);
    const [silent, other] = [await silentAddress(), await silentAddress()];
    expect(await ask(server, silent, identity)).toBe("TIMEOUT");
    const sent = [silent.datagrams.length, silent.udpBytes(), silent.tcpConnections(), silent.tcpBytes()];
    expect(silent.datagrams.length).toBeGreaterThan(0);
    expect(silent.datagrams.length).toBeLessThanOrEqual(MAX_DATAGRAMS);
    expect(silent.udpBytes()).toBeLessThanOrEqual(MAX_UDP_BYTES);
    expect(silent.tcpConnections()).toBeLessThanOrEqual(MAX_TCP_CONNECTIONS);
    expect(silent.tcpBytes()).toBeLessThanOrEqual(MAX_TCP_BYTES * silent.tcpConnections());
    // As long again, in which it might be dialled once more.
    expect(await ask(server, other, identity)).toBe("TIMEOUT");
    expect([silent.datagrams.length, silent.udpBytes(), silent.tcpConnections(), silent.tcpBytes()]).toEqual(sent);
  },
);

// spec: PATH-15
test("a server that has its client dial a row of ports has it send packets to as many as may be in vain, and to no other", async () => {
  const server = await serverOf(3);
  const silent: Heard[] = [];
  for (let count = 0; count < 12; count += 1) silent.push(await silentAddress());
  const answers = await Promise.all(silent.map((each) => ask(server, each, STRANGER)));
  expect(answers.toSorted()).toEqual([...Array<string>(9).fill("LIMIT_REACHED"), ...Array<string>(3).fill("TIMEOUT")]);
  const reached = silent.filter(({ datagrams, tcpConnections }) => datagrams.length + tcpConnections() > 0);
  expect(reached).toHaveLength(3);
  const datagrams = reached.reduce((sum, each) => sum + each.datagrams.length, 0);
  expect(datagrams).toBeLessThanOrEqual(3 * MAX_DATAGRAMS);
});

/** The first datagram of a client: what whoever forges an address would send. */
async function firstDatagram(): Promise<Buffer> {
  const silent = await silentAddress();
  const abort = new AbortController();
  const dialling = dial(`kwik+quic://127.0.0.1:${silent.port}`, { trust: { pins: [STRANGER] }, signal: abort.signal }).catch(
    () => undefined,
  );
  await expect.poll(() => silent.datagrams.length).toBeGreaterThan(0);
  abort.abort();
  await dialling;
  return silent.datagrams[0] as Buffer;
}

/** All that a server sends to an address from which one datagram came, and nothing more. */
async function answersTo(first: Buffer, options: Partial<ListenOptions>): Promise<Buffer[]> {
  const listener = await listen("kwik+quic://127.0.0.1:0", {
    tls: "self-signed",
    limits: { handshakeTimeoutMs: HANDSHAKE_MS },
    ...options,
  });
  closing.push(() => listener.close());
  const forged = await udpSocket();
  const answers: Buffer[] = [];
  forged.on("message", (data) => answers.push(data));
  forged.send(first, Number(listener.address.split(":").at(-1)), "127.0.0.1");
  await expect.poll(() => answers.length).toBeGreaterThan(0);
  // What more may come comes within the time of a handshake.
  await new Promise((resolve) => setTimeout(resolve, HANDSHAKE_MS * 1.5));
  expect(listener.stats()).toMatchObject({ sessions: 0, acceptedSessions: 0 });
  return answers;
}

test("a server that validates addresses answers a first packet with one that is no larger, and then nothing", async () => {
  const first = await firstDatagram();
  const answers = await answersTo(first, { validateAddresses: true });
  expect(answers).toHaveLength(1);
  expect(lengthOf(answers)).toBeLessThanOrEqual(first.length);
});

test("a server that does not sends three times of what came at most", async () => {
  const first = await firstDatagram();
  const answers = await answersTo(first, { validateAddresses: false });
  expect(lengthOf(answers)).toBeLessThanOrEqual(3 * first.length);
});
