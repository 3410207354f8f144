import { connect, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import { parseAddress, type ServerSession, type SessionEvent } from "@kwik/core";
import { acceptTunnel, type IncomingTunnel } from "@kwik/tunnel";
import { expect, test } from "vitest";
import { selfSigned, type ServerMaterial } from "../compliance/tls-material.ts";
import { RelayBench, type TestHome, transfer } from "./relay-bench.ts";
import { TunnelSocket } from "./tunnel-socket.ts";

const LINE = { delayMs: 2, bytesPerSecond: 8_000_000 };
const BYTES = 4_000_000;

type Change = (data: Uint8Array, socket: Socket, tunnel: IncomingTunnel) => Uint8Array | undefined;

/** Serves every tunnel of a session with `serve`. */
function eachTunnel(serve: (tunnel: IncomingTunnel) => Promise<void>): (session: ServerSession) => Promise<void> {
  return async (session) => {
    for await (const stream of session.incomingStreams())
      acceptTunnel(stream)
        .then(serve)
        .catch(() => undefined);
  };
}

/** Connects to the home as a relay does, with something done to what passes. */
function carry(home: TestHome, up: Change, down: Change): (tunnel: IncomingTunnel) => Promise<void> {
  return async (tunnel) => {
    const socket = connect(parseAddress(home.address));
    socket.on("error", () => undefined).on("close", () => tunnel.abort(0x20));
    tunnel.accept({ host: "192.0.2.1", port: 1 });
    socket.on("data", (data: Buffer) => {
      const changed = down(data, socket, tunnel);
      if (changed === undefined) return;
      socket.pause();
      tunnel.write(changed).then(
        () => socket.resume(),
        () => socket.destroy(),
      );
    });
    for (let data = await tunnel.read(); data !== null; data = await tunnel.read()) {
      const changed = up(data, socket, tunnel);
      if (changed !== undefined) socket.write(changed);
    }
    socket.destroy();
  };
}

const unchanged: Change = (data) => data;

/** Leaves the first `bytes` alone, which is more than a handshake, and does it once. */
function onceAfter(bytes: number, change: Change): Change {
  let passed = 0;
  let isDone = false;
  return (data, socket, tunnel) => {
    passed += data.length;
    if (isDone || passed < bytes) return data;
    isDone = true;
    return change(data, socket, tunnel);
  };
}

const flip: Change = (data) => data.map((byte, index) => (index === data.length >> 1 ? byte ^ 1 : byte));
const drop: Change = () => undefined;
const twice: Change = (data) => Buffer.concat([data, data]);
const cut: Change = (data, socket) => {
  socket.destroy();
  return data.subarray(0, 3);
};
const insert: Change = (data) => Buffer.concat([Buffer.from("<hello>"), data]);

const WAYS: readonly (readonly [string, Change])[] = [
  ["flips a bit", flip],
  ["leaves bytes out", drop],
  ["repeats bytes", twice],
  ["cuts the connection off", cut],
  ["puts bytes of its own in", insert],
];

// spec: RELAY-2, RELAY-6
for (const direction of ["up", "down"] as const) {
  test.each(WAYS)(`a relay that %s of what goes ${direction} loses its path, and the stream nothing`, async (_name, change) => {
    await using bench = new RelayBench(LINE);
    const home = await bench.home();
    let isDone = false;
    const tamper = onceAfter(200_000, (...piece) => {
      isDone = true;
      return change(...piece);
    });
    const bad = await bench.relayServer(
      eachTunnel(carry(home, direction === "up" ? tamper : unchanged, direction === "down" ? tamper : unchanged)),
      LINE,
    );
    const client = await bench.dial(home, { relays: [bad.options] });
    const server = await home.next();
    await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active"]);
    const [from, to] = direction === "up" ? [client, server] : [server, client];
    // On a busy machine one transfer may be over before the relay has had its share.
    do await transfer(from, to, BYTES);
    while (!isDone);
    await expect.poll(() => client.stats().paths[1]?.state).toBe("dead");
    expect(client.stats().paths[0]?.state).toBe("active");
  });
}

// spec: RELAY-2, RELAY-9
test("a relay that listens hears nothing of what is said, nor what the client shows to the home", async () => {
  await using bench = new RelayBench();
  const seen: Buffer[] = [];
  const listen: Change = (data) => {
    seen.push(Buffer.from(data));
    return data;
  };
  const tokens: (string | undefined)[] = [];
  const home = await bench.home({
    authenticate: ({ token }) => {
      tokens.push(token);
      return { ok: true };
    },
  });
  const nosy = await bench.relayServer(eachTunnel(carry(home, listen, listen)));
  const far = { ...home, address: home.address.replace("127.0.0.1", "home.example") };
  const client = await bench.dial(far, { relays: [nosy.options], credentials: { token: "s3cret-t0ken" } });
  const server = await home.next();
  const secret = Buffer.from("nobody else hears this. ".repeat(1_000));
  const stream = await client.openStreamSync();
  await stream.write(secret);
  const incoming = await server.acceptStream();
  await incoming.write(secret);
  await Promise.all([stream.close(), incoming.close()]);
  for await (const data of stream) expect(secret.includes(Buffer.from(data.subarray(0, 20)))).toBe(true);
  expect(tokens).toEqual(["s3cret-t0ken"]);
  const heard = Buffer.concat(seen);
  expect(heard.length).toBeGreaterThan(2 * secret.length);
  for (const word of ["nobody else", "s3cret-t0ken", "KWIK"]) expect(heard.includes(word)).toBe(false);
});

test("a relay that holds bytes back for a while is only slow", async () => {
  await using bench = new RelayBench(LINE);
  const home = await bench.home();
  const late: Change = (data, socket) => {
    setTimeout(() => socket.destroyed || socket.write(data), 400);
    return undefined;
  };
  const slow = await bench.relayServer(eachTunnel(carry(home, late, unchanged)), LINE);
  const client = await bench.dial(home, { relays: [slow.options] });
  const server = await home.next();
  await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active"]);
  await Promise.all([transfer(client, server, BYTES), transfer(server, client, BYTES)]);
});

/** A home of its own making: TLS with its own certificate, in the place of the home's. */
function impostor(tls: ServerMaterial): (tunnel: IncomingTunnel) => Promise<void> {
  return async (tunnel) => {
    tunnel.accept({ host: "192.0.2.1", port: 1 });
    const secured = new TLSSocket(new TunnelSocket(tunnel), {
      isServer: true,
      secureContext: createSecureContext({ cert: tls.cert, key: tls.key }),
      ALPNProtocols: ["kwik/1"],
    });
    secured.on("error", () => undefined).resume();
    await new Promise((resolve) => secured.once("close", resolve));
  };
}

function failuresOf(session: { events(): AsyncIterable<SessionEvent> }): { code: string; reason: string }[] {
  const failures: { code: string; reason: string }[] = [];
  void (async () => {
    for await (const event of session.events()) if (event.type === "path-failed") failures.push(event);
  })();
  return failures;
}

// spec: RELAY-2, RELAY-3
test("a relay that answers in the home's place is not trusted, even with a key that is good for another server of the session", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const other = await selfSigned();
  const stranger = await selfSigned();
  const bad = [await bench.relayServer(eachTunnel(impostor(other))), await bench.relayServer(eachTunnel(impostor(stranger)))];
  const client = await bench.dial(home, {
    trust: { pins: [home.identity, other.identity] },
    relays: bad.map((relay) => relay.options),
  });
  const server = await home.next();
  const failures = failuresOf(client);
  await expect.poll(() => failures.map(({ code }) => code)).toEqual(["NOT_TRUSTED", "NOT_TRUSTED"]);
  for (const { reason } of failures) expect(reason).toContain(`expected was ${home.identity}`);
  await transfer(client, server, 1_000_000);
  expect(client.stats().paths).toHaveLength(1);
});

// spec: RELAY-2
test("where the home cannot be reached directly, a relay in its place does not get the session either", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const bad = await bench.relayServer(eachTunnel(impostor(await selfSigned())));
  const address = { ...home, address: home.address.replace("127.0.0.1", "127.0.0.2") };
  await expect(bench.dial(address, { relays: [bad.options] })).rejects.toMatchObject({ code: "NOT_TRUSTED" });
});

test.each<[string, (tunnel: IncomingTunnel, session: ServerSession) => Promise<void>]>([
  ["says nothing", () => new Promise(() => undefined)],
  ["says that it is connected, and nothing more", async (tunnel) => tunnel.accept()],
  ["sends what is no answer", (tunnel) => tunnel.write(Buffer.alloc(2_000_000, 0xff))],
  [
    "sends what is no TLS",
    async (tunnel) => {
      tunnel.accept();
      await tunnel.write(Buffer.alloc(2_000_000, "SSH-2.0-"));
    },
  ],
  ["ends at once", async (tunnel) => tunnel.abort(7)],
  ["ends its session", async (_tunnel, session) => session.closeWithError(3, "no")],
])("a relay that %s costs a path that does not come about", async (_name, serve) => {
  await using bench = new RelayBench();
  const home = await bench.home();
  let asked = 0;
  const bad = await bench.relayServer((session) =>
    eachTunnel((tunnel) => {
      asked += 1;
      return serve(tunnel, session);
    })(session),
  );
  const client = await bench.dial(home, { relays: [bad.options], limits: { handshakeTimeoutMs: 3_000 } });
  const failures = failuresOf(client);
  const server = await home.next();
  await transfer(client, server, 1_000_000);
  await expect.poll(() => failures, { timeout: 30_000 }).toHaveLength(1);
  expect(asked).toBeGreaterThan(0);
  expect(failures[0]?.code).toMatch(/^(UNREACHABLE|NOT_KWIK|NOT_TRUSTED)$/);
  expect(client.stats().paths).toHaveLength(1);
});

// spec: RELAY-9
test("a relay gets neither paths nor streams out of its client, and none of what the client gives to the home", async () => {
  await using bench = new RelayBench();
  const tokens: (string | undefined)[] = [];
  const home = await bench.home({ authenticate: ({ token }) => (token === "for the home" ? { ok: true } : { ok: false }) });
  const refused: unknown[] = [];
  const nosy = await bench.relayServer(
    async (session) => {
      await Promise.all([
        session.addPath("127.0.0.1:1").catch((error: unknown) => refused.push((error as { code: string }).code)),
        session.addPath("example.org:4433").catch((error: unknown) => refused.push((error as { code: string }).code)),
      ]);
      try {
        session.openStream();
      } catch (error) {
        refused.push((error as { code: string }).code);
      }
    },
    {},
    {
      authenticate: ({ token }) => {
        tokens.push(token);
        return { ok: true };
      },
    },
    // One that may ask for paths.
    {
      mint: () => Promise.resolve("a ticket"),
      verify: () => Promise.resolve({ clientIdentity: undefined }),
      isRevoked: () => false,
      update: () => Promise.resolve(),
    },
  );
  const client = await bench.dial(home, {
    credentials: { token: "for the home" },
    relays: [nosy.options],
  });
  await home.next();
  await expect.poll(() => refused.sort()).toEqual(["ADDRESS_REFUSED", "ADDRESS_REFUSED", "STREAM_LIMIT"]);
  expect(tokens).toEqual([undefined]);
  await client.close();
});
