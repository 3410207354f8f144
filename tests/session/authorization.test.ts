import { type ClientSession, ErrorCode, StreamError, type ServerSession, type StreamAuthRequest } from "@kwik/core";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { bytes, TestCluster, textOf } from "./pair.ts";

/** What a promise rejects with. */
function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "resolved",
    (error: unknown) => error,
  );
}

/** Reads each stream to its end, one after the other, into `texts`. */
async function serve(session: ServerSession, texts: string[]): Promise<void> {
  for await (const stream of session.incomingStreams()) texts.push(await textOf(stream));
}

test("each stream of a client is decided about with the session's identity, before the application sees it", async () => {
  await using cluster = new TestCluster();
  const asked: StreamAuthRequest[] = [];
  const { client, server } = await cluster.pair(
    {
      authenticate: ({ token }) => ({ ok: true, identity: `user ${token}` }),
      authorizeStream: (request) => {
        asked.push(request);
        return request.priority === 128;
      },
    },
    { credentials: { token: "7" } },
  );
  const allowed = client.openStream();
  await allowed.write(bytes("yes"));
  void allowed.close();
  const denied = client.openStream({ priority: 200 });
  await denied.write(bytes("no"));
  const error = await rejection(denied.read());
  expect(error).toBeInstanceOf(StreamError);
  expect(error).toMatchObject({ errorCode: ErrorCode.AUTH_REFUSED, remote: true });
  expect(await textOf(await server.acceptStream())).toBe("yes");
  expect(asked).toEqual([
    { clientIdentity: "user 7", sessionId: client.id, role: "primary", streamId: allowed.id, direction: "bidirectional", priority: 128 },
    { clientIdentity: "user 7", sessionId: client.id, role: "primary", streamId: denied.id, direction: "bidirectional", priority: 200 },
  ]);
  // Streams that the server opens are its own affair.
  const own = server.openStream();
  await own.write(bytes("own"));
  void own.close();
  expect(await textOf(await client.acceptStream())).toBe("own");
  expect(asked).toHaveLength(2);
});

test("a refusal carries its code in both directions, of unidirectional streams in their one, and nothing of them is left", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair({ authorizeStream: () => ({ ok: false, code: 403 }) });
  const stream = client.openStream();
  await stream.write(bytes("x"));
  expect(await rejection(stream.read())).toMatchObject({ errorCode: 403 });
  expect(await rejection(stream.close())).toMatchObject({ errorCode: 403 });
  const oneWay = client.openUniStream();
  let told: unknown = "resolved";
  while (told === "resolved") told = await rejection(oneWay.write(bytes("x")));
  expect(told).toMatchObject({ errorCode: 403 });
  // Twice the limit of streams: refused ones make room for others.
  for (let i = 0; i < 2_000; i += 1) {
    const next = await client.openUniStreamSync();
    void next.close().catch(() => undefined);
  }
  await expect.poll(() => server.stats().openStreams).toBe(0);
});

test("decisions may take their time: so many are open at once, the other streams wait for theirs, and bytes with them", async () => {
  await using cluster = new TestCluster();
  const open: ((verdict: boolean) => void)[] = [];
  let most = 0;
  const { client, server } = await cluster.pair({
    limits: { maxPendingAuthorizations: 3 },
    authorizeStream: () =>
      new Promise<boolean>((resolve) => {
        open.push(resolve);
        most = Math.max(most, open.length);
      }),
  });
  const texts: string[] = [];
  const serving = serve(server, texts);
  const written = patternBytes(1, 0, 100_000);
  for (let i = 0; i < 10; i += 1) {
    const stream = client.openStream();
    await stream.write(i === 4 ? written : bytes(`${i}`));
    void stream.close().catch(() => undefined);
  }
  for (let decided = 0; decided < 10; decided += 1) {
    // Each that is decided about makes room for the next.
    await expect.poll(() => open.length).toBe(Math.min(3, 10 - decided));
    open.shift()?.(decided !== 2);
  }
  expect(most).toBe(3);
  await expect.poll(() => texts).toEqual(["0", "1", "3", new TextDecoder().decode(written), "5", "6", "7", "8", "9"]);
  // The server has not ended its direction of those that it took; of the refused one nothing is left.
  await expect.poll(() => server.stats().openStreams).toBe(9);
  await client.close();
  await serving;
});

/** A server that decides when it is told to, and what it was asked, by session. */
function deciding(): {
  readonly open: Map<string, (() => void)[]>;
  readonly authorize: (request: StreamAuthRequest) => Promise<boolean>;
  decide(): void;
} {
  const open = new Map<string, (() => void)[]>();
  return {
    open,
    authorize: ({ sessionId }) =>
      new Promise((resolve) => {
        const ofSession = open.get(sessionId) ?? [];
        open.set(sessionId, [...ofSession, () => resolve(true)]);
      }),
    decide: () => {
      for (const answers of open.values()) for (const answer of answers) answer();
    },
  };
}

async function openStreams(client: ClientSession, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const stream = client.openUniStream();
    await stream.write(bytes(`${i}`));
    void stream.close().catch(() => undefined);
  }
}

test("sessions of one network that have the hook work hard leave half of it to others, and what all have together is bounded", async () => {
  await using cluster = new TestCluster({ clientHost: () => host });
  let host = "203.0.113.1";
  const { open, authorize, decide } = deciding();
  const server = await cluster.serve({
    limits: { maxPendingAuthorizationsInAll: 8, handshakeTimeoutMs: 30_000 },
    authorizeStream: authorize,
  });
  const greedy = [await cluster.dial(server), await cluster.dial(server), await cluster.dial(server)];
  for (const client of greedy) await openStreams(client, 10);
  const asked = (): number => [...open.values()].reduce((sum, answers) => sum + answers.length, 0);
  await expect.poll(asked).toBe(4);
  host = "198.51.100.1";
  const other = await cluster.dial(server);
  await openStreams(other, 10);
  await expect.poll(() => open.get(other.id)?.length).toBe(2);
  expect(asked()).toBe(6);
  // Whatever waits gets its turn in the end.
  const decided = (): number => {
    decide();
    return asked();
  };
  await expect.poll(decided).toBe(40);
});

test("calls for a session that is gone count until they are answered, or their time is over", async () => {
  await using cluster = new TestCluster();
  const { open, authorize, decide } = deciding();
  const server = await cluster.serve({
    limits: { maxPendingAuthorizationsInAll: 4, handshakeTimeoutMs: 30_000 },
    authorizeStream: authorize,
  });
  const gone = await cluster.dial(server);
  await openStreams(gone, 10);
  await expect.poll(() => open.get(gone.id)?.length).toBe(2);
  const session = await server.next();
  await gone.close();
  await session.closed;
  const next = await cluster.dial(server);
  await openStreams(next, 10);
  const present = await server.next();
  await expect.poll(() => present.stats().openStreams).toBe(10);
  // Its network has two already, for nobody.
  expect(open.get(next.id)).toBeUndefined();
  decide();
  await expect.poll(() => open.get(next.id)?.length).toBe(2);
  decide();
});

test("a decision that fails, or never comes, is a no, and the operator hears of it", async () => {
  const decisions = [
    ["the database is away", () => Promise.reject(new Error("the database is away"))],
    [
      "the directory is away",
      () => {
        throw new Error("the directory is away");
      },
    ],
    ["no answer within 300 ms", () => new Promise<never>(() => undefined)],
  ] as const;
  for (const [words, authorizeStream] of decisions) {
    await using cluster = new TestCluster();
    const server = await cluster.serve({ limits: { handshakeTimeoutMs: 300 }, authorizeStream });
    const client = await cluster.dial(server);
    const stream = client.openStream();
    await stream.write(bytes("x"));
    expect(await rejection(stream.read())).toMatchObject({ errorCode: ErrorCode.AUTH_REFUSED });
    expect(server.notices).toEqual([expect.stringContaining(words)]);
  }
});

test("a stream that its client gave up while it was being decided about comes as one that has ended; so does a session", async () => {
  await using cluster = new TestCluster();
  const open: ((verdict: boolean) => void)[] = [];
  const { client, server } = await cluster.pair({ authorizeStream: () => new Promise<boolean>((resolve) => open.push(resolve)) });
  const stream = client.openStream();
  await stream.write(bytes("x"));
  await expect.poll(() => open.length).toBe(1);
  stream.reset(5);
  stream.stopReading(6);
  await new Promise((resolve) => setTimeout(resolve, 20));
  open[0]?.(true);
  const accepted = await server.acceptStream();
  expect(await rejection(accepted.read())).toMatchObject({ errorCode: 5 });
  expect(await rejection(accepted.write(bytes("y")))).toMatchObject({ errorCode: 6 });
  const late = client.openStream();
  await late.write(bytes("z"));
  await expect.poll(() => open.length).toBe(2);
  await client.close();
  await server.closed;
  open[1]?.(true);
  await expect(server.acceptStream()).rejects.toMatchObject({ code: "NO_ERROR" });
});

// spec: CONTENT-2
test("a content store is told for whom it opens", async () => {
  await using cluster = new TestCluster();
  const asked: unknown[] = [];
  const data = patternBytes(3, 0, 600_000);
  const source = {
    id: "film",
    version: "1",
    length: BigInt(data.length),
    read: async (at: bigint, n: number) => data.slice(Number(at), Number(at) + n),
  };
  const { client, server } = await cluster.pair({
    authenticate: () => ({ ok: true, identity: "ali" }),
    content: {
      open: async (id, request) => {
        asked.push([id, request]);
        return source;
      },
    },
  });
  const stream = server.openStream();
  // Offered without being open in the session: what the client asks for comes from the store.
  const sending = stream.sendContent({ ...source, id: "film" }, { end: true });
  let got = 0;
  for await (const piece of await client.acceptStream()) got += piece.length;
  await sending;
  expect(got).toBe(data.length);
  for (const each of asked) expect(each).toEqual(["film", { clientIdentity: "ali", sessionId: client.id }]);
});
