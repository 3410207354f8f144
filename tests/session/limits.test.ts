import { type ClientSession, isKwikError, LimitError, type ListenLimits, type SessionEvent } from "@kwik/core";
import { CarrierKind, encodePreamble, ErrorCode } from "@kwik/proto";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { joinByHand } from "./join-by-hand.ts";
import { bytes, TestCluster, type TestServer, textOf } from "./pair.ts";
import { RawLink } from "./raw-link.ts";

/** What a dial is refused with; undefined if it is not. */
async function refusal(cluster: TestCluster, server: TestServer, token?: string): Promise<LimitError | string | undefined> {
  try {
    await cluster.dial(server, token === undefined ? {} : { credentials: { token } });
    return undefined;
  } catch (error) {
    return error instanceof LimitError ? error : isKwikError(error) ? error.code : String(error);
  }
}

/** A network whose clients come from the host that the test names. */
function network(hosts: { next: string }, limits: Partial<ListenLimits>): { cluster: TestCluster; serve: Promise<TestServer> } {
  const cluster = new TestCluster({ clientHost: () => hosts.next });
  return { cluster, serve: cluster.serve({ limits }) };
}

// spec: CTRL-18
test("clients of one network that begin too many paths are told when to come again; others are served", async () => {
  const hosts = { next: "10.0.0.1" };
  const { cluster, serve } = network(hosts, { pathsPerSecondPerPrefix: 0.5, pathBurstPerPrefix: 3 });
  await using _cluster = cluster;
  const server = await serve;
  for (let i = 0; i < 3; i += 1) expect(await refusal(cluster, server)).toBeUndefined();
  hosts.next = "10.0.0.77";
  const refused = await refusal(cluster, server);
  expect(refused).toBeInstanceOf(LimitError);
  expect(refused).toMatchObject({ code: "LIMIT_REACHED", remote: true, message: expect.stringContaining("10.0.0.0/24") });
  expect((refused as LimitError).retryAfterMs).toBeGreaterThan(1_000);
  expect((refused as LimitError).retryAfterMs).toBeLessThanOrEqual(2_000);
  hosts.next = "10.0.1.1";
  expect(await refusal(cluster, server)).toBeUndefined();
  expect(server.listener.stats()).toMatchObject({ sessions: 4, refusals: { "path-rate": 1 } });
});

test("sessions are limited by network and in all, and make room when they end", async () => {
  const hosts = { next: "10.0.0.1" };
  const { cluster, serve } = network(hosts, { maxSessions: 3, maxSessionsPerPrefix: 2 });
  await using _cluster = cluster;
  const server = await serve;
  const first = await cluster.dial(server);
  expect(await refusal(cluster, server)).toBeUndefined();
  expect(await refusal(cluster, server)).toMatchObject({ message: expect.stringContaining("2 sessions") });
  hosts.next = "10.0.1.1";
  expect(await refusal(cluster, server)).toBeUndefined();
  hosts.next = "10.0.2.1";
  expect(await refusal(cluster, server)).toMatchObject({ message: expect.stringContaining("3 sessions") });
  await first.close();
  await expect.poll(() => server.listener.stats().sessions).toBe(2);
  expect(await refusal(cluster, server)).toBeUndefined();
  expect(server.listener.stats().refusals).toEqual({ sessions: 2 });
});

test("connections beyond the rate never become links, and cost the ones before nothing", async () => {
  const hosts = { next: "10.0.0.1" };
  const { cluster, serve } = network(hosts, { handshakesPerSecondPerPrefix: 0.01, handshakeBurstPerPrefix: 2 });
  await using _cluster = cluster;
  const server = await serve;
  const client = await cluster.dial(server);
  expect(await refusal(cluster, server)).toBeUndefined();
  for (let i = 0; i < 50; i += 1) expect(await refusal(cluster, server)).toBe("UNREACHABLE");
  expect(server.listener.stats()).toMatchObject({ sessions: 2, waitingConnections: 0, refusals: { "handshake-rate": 50 } });
  expect(server.notices).toHaveLength(1);
  const stream = client.openStream();
  await stream.write(bytes("served"));
  void stream.close();
  expect(await textOf(await (await server.next()).acceptStream())).toBe("served");
});

test("whoever guesses tokens is not asked any more after so many, while those who are in come back as they like", async () => {
  const hosts = { next: "10.0.0.1" };
  const cluster = new TestCluster({ clientHost: () => hosts.next });
  await using _cluster = cluster;
  let asked = 0;
  const server = await cluster.serve({
    limits: { failedChecksPerMinutePerPrefix: 5, graceMs: 20_000 },
    authenticate: ({ token }) => {
      asked += 1;
      return { ok: token === "right" };
    },
  });
  const client = await cluster.dial(server, { credentials: { token: "right" } });
  for (let i = 0; i < 5; i += 1) expect(await refusal(cluster, server, `guess ${i}`)).toBe("AUTH_REFUSED");
  expect(await refusal(cluster, server, "right")).toMatchObject({ code: "LIMIT_REACHED" });
  expect(await joinByHand(cluster, server, { ticket: "a.b.c" })).toBe("LIMIT_REACHED");
  expect(asked).toBe(6);
  expect(server.listener.stats().refusals).toEqual({ credentials: 5, "failed-checks": 2 });
  // The paths of a session that is here: its key is enough.
  const resumed = eventOf(client, "resumed");
  cluster.network.connections[0]?.kill();
  await resumed;
  expect(asked).toBe(6);
  hosts.next = "10.0.1.1";
  expect(await refusal(cluster, server, "right")).toBeUndefined();
});

test("tokens that are guessed all at once are asked about no oftener than one after the other, and an honest crowd is served", async () => {
  const hosts = { next: "10.0.0.1" };
  const cluster = new TestCluster({ clientHost: () => hosts.next });
  await using _cluster = cluster;
  let wrong = 0;
  const server = await cluster.serve({
    limits: { failedChecksPerMinutePerPrefix: 5 },
    authenticate: async ({ token }) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (token !== "right") wrong += 1;
      return { ok: token === "right" };
    },
  });
  const crowd = await Promise.all(Array.from({ length: 40 }, () => refusal(cluster, server, "right")));
  expect(crowd.filter((outcome) => outcome !== undefined)).toEqual([]);
  const guesses = await Promise.all(Array.from({ length: 40 }, (_, i) => refusal(cluster, server, `guess ${i}`)));
  expect(wrong).toBe(5);
  expect(guesses.filter((outcome) => outcome === "AUTH_REFUSED")).toHaveLength(5);
  expect(guesses.filter((outcome) => outcome instanceof LimitError)).toHaveLength(35);
  expect(server.listener.stats().refusals).toEqual({ credentials: 5, "failed-checks": 35 });
});

// spec: CTRL-18
test("a client that is told to wait waits before it dials that server again", async () => {
  await using cluster = new TestCluster();
  const primary = await cluster.serve();
  const full = await cluster.serve({ limits: { maxSessions: 1 } });
  const other = await cluster.dial(full);
  const client = await cluster.dial(primary, { servers: [full.listener.url] });
  const attempts = (): number => cluster.network.dialled.filter((address) => address === full.address).length;
  await expect.poll(() => full.listener.stats().refusals).toEqual({ sessions: 1 });
  const before = attempts();
  await other.close();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  // Without a word the third attempt would have come by now; a place is to be asked for again after 5 s.
  expect(attempts()).toBe(before);
  await expect.poll(() => client.stats().paths.filter((path) => path.state === "active").length).toBe(2);
});

test("addresses of proxies have no network of their own", async () => {
  const cluster = new TestCluster({ clientHost: () => "10.9.9.9" });
  await using _cluster = cluster;
  const limits = { pathBurstPerPrefix: 1, pathsPerSecondPerPrefix: 0.01, maxSessionsPerPrefix: 1, handshakeBurstPerPrefix: 1 };
  const server = await cluster.serve({ limits, proxies: ["10.9.0.0/16"] });
  for (let i = 0; i < 5; i += 1) expect(await refusal(cluster, server)).toBeUndefined();
  await expect(cluster.serve({ proxies: ["nonsense"] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

// spec: CARRIER-5
test("what is held of strangers is bounded in all: who sent most goes, and who says hello is served", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve({ limits: { maxBytesBeforeAuthInAll: 1_000_000, maxBytesBeforeAuth: 600_000 } });
  const small = await RawLink.to(cluster.network.transport, server.address);
  small.open().send([encodePreamble(CarrierKind.data), new Uint8Array(300_000)]);
  await expect.poll(() => server.listener.stats().waitingConnections).toBe(1);
  const large = await RawLink.to(cluster.network.transport, server.address);
  large.open().send([encodePreamble(CarrierKind.data), new Uint8Array(500_000)]);
  await expect.poll(() => server.listener.stats().waitingConnections).toBe(2);
  const third = await RawLink.to(cluster.network.transport, server.address);
  third.open().send([encodePreamble(CarrierKind.data), new Uint8Array(400_000)]);
  expect((await large.whenClosed).code).toBe(ErrorCode.LIMIT_REACHED);
  expect(await large.answer("refused")).toMatchObject({ code: ErrorCode.LIMIT_REACHED, retryAfterMs: 1_000 });
  expect(await refusal(cluster, server)).toBeUndefined();
  expect(server.listener.stats()).toMatchObject({ waitingConnections: 2, refusals: { "held-bytes": 1 } });
  small.link.close(0, "");
  third.link.close(0, "");
  await expect.poll(() => server.listener.stats().waitingConnections).toBe(0);
});

test("of too many that wait to be admitted the oldest goes", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve({ limits: { maxHandshakes: 2 } });
  const links = [];
  for (let i = 0; i < 9; i += 1) links.push(await RawLink.to(cluster.network.transport, server.address));
  expect((await (links[0] as RawLink).whenClosed).code).toBe(ErrorCode.LIMIT_REACHED);
  expect(server.listener.stats()).toMatchObject({ waitingConnections: 8, refusals: { connections: 1 } });
  expect(await refusal(cluster, server)).toBeUndefined();
});

test("sessions that the application does not accept are bounded", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve({ limits: { maxWaitingSessions: 2 } });
  for (let i = 0; i < 2; i += 1) expect(await refusal(cluster, server)).toBeUndefined();
  expect(await refusal(cluster, server)).toMatchObject({ retryAfterMs: 1_000 });
  await server.next();
  expect(await refusal(cluster, server)).toBeUndefined();
});

test("a session that nobody uses ends after the idle timeout, one with a stream does not", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve({ limits: { idleTimeoutMs: 400 } });
  const used = await cluster.dial(server);
  const stream = used.openStream();
  await stream.write(bytes("I am here"));
  const idle = await cluster.dial(server);
  expect(await idle.closed).toMatchObject({ code: "TIMEOUT", remote: true, reason: "nothing was asked for 400 ms" });
  expect(server.listener.stats().sessions).toBe(1);
  stream.reset(0);
  stream.stopReading(0);
  expect(await used.closed).toMatchObject({ code: "TIMEOUT" });
});

/** Writes until it has to wait; answers how much that was, and the wait. */
async function fill(write: (data: Uint8Array) => Promise<void>): Promise<{ bytes: number; waiting: Promise<void> }> {
  for (let sent = 0; ; sent += 65_536) {
    const waiting = write(new Uint8Array(65_536));
    const isWaiting = await Promise.race([
      waiting.then(() => false),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 50)),
    ]);
    if (isWaiting) return { bytes: sent + 65_536, waiting };
  }
}

test("what a server has written and its clients do not take is bounded by session and in all, but for a little that each may have", async () => {
  await using cluster = new TestCluster();
  // Nobody is given up while the test looks.
  const patience = { minDeadAfterMs: 60_000 };
  const server = await cluster.serve({ limits: { maxSessionSendBufferBytes: 700_000, maxSendBufferBytesInAll: 1_000_000, ...patience } });
  const client = { limits: { initialStreamWindowBytes: 8_000_000, initialSessionWindowBytes: 8_000_000, ...patience } };
  const [one, two, three] = [
    await cluster.dial(server, client),
    await cluster.dial(server, client),
    await cluster.dial(server, client),
  ] as const;
  const sessions = [await server.next(), await server.next(), await server.next()] as const;
  // Nothing is acknowledged any more.
  for (const connection of cluster.network.connections) connection.setShape("to-client", { isBlackhole: true });
  const streams = sessions.map((session) => [session.openStream(), session.openStream()] as const);
  const fills = [];
  for (const [first, second] of streams) fills.push(await fill((data) => first.write(data)), await fill((data) => second.write(data)));
  const held = sessions.map((session) => session.stats().sendBufferBytes);
  // A write that is waited for has been taken: 64 KiB more.
  expect(held[0]).toBeGreaterThan(600_000);
  expect(held[0]).toBeLessThan(700_000 + 3 * 65_536);
  expect(held[2]).toBeGreaterThanOrEqual(256 * 1024);
  expect(held[2]).toBeLessThan(256 * 1024 + 3 * 65_536);
  const { sendBufferBytes } = server.listener.stats();
  expect(sendBufferBytes).toBe((held[0] as number) + (held[1] as number) + (held[2] as number));
  // It goes on where it stopped, and comes to nothing in the end.
  for (const connection of cluster.network.connections) connection.setShape("to-client", { isBlackhole: false });
  await Promise.all(fills.map(({ waiting }) => waiting));
  await expect.poll(() => server.listener.stats().sendBufferBytes).toBe(0);
  await Promise.all([one.close(), two.close(), three.close()]);
});

test("a session that ends gives back what it held", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  const client = await cluster.dial(server);
  const session = await server.next();
  cluster.network.connections[0]?.setShape("to-client", { isBlackhole: true });
  const stream = session.openStream();
  const { waiting } = await fill((data) => stream.write(data));
  waiting.catch(() => undefined);
  expect(server.listener.stats().sendBufferBytes).toBeGreaterThan(0);
  void session.closeWithError(1, "enough");
  await session.closed;
  expect(server.listener.stats().sendBufferBytes).toBe(0);
  void client.close();
});

test("receive windows grow for whoever reads fast, as long as there is memory for all, and it comes back", async () => {
  await using cluster = new TestCluster();
  const MiB = 1024 * 1024;
  const server = await cluster.serve({ limits: { maxReceiveWindowBytesInAll: 5 * MiB } });
  const upload = async (): Promise<ClientSession> => {
    const client = await cluster.dial(server);
    const session = await server.next();
    const stream = client.openStream();
    const data = patternBytes(1, 0, 1_000_000);
    const writing = (async () => {
      for (let i = 0; i < 40; i += 1) await stream.write(data);
      await stream.close();
    })();
    let got = 0;
    for await (const piece of await session.acceptStream()) got += piece.length;
    expect(got).toBe(40 * data.length);
    await writing;
    return client;
  };
  const first = await upload();
  const second = await upload();
  const { receiveWindowBytes } = server.listener.stats();
  expect(receiveWindowBytes).toBeGreaterThan(0);
  expect(receiveWindowBytes).toBeLessThanOrEqual(5 * MiB);
  await Promise.all([first.close(), second.close()]);
  await expect.poll(() => server.listener.stats().receiveWindowBytes).toBe(0);
});

/** Resolves with the next event of a kind. */
async function eventOf(session: ClientSession, type: SessionEvent["type"]): Promise<void> {
  for await (const event of session.events()) if (event.type === type) return;
}
