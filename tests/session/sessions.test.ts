import { AuthError, isKwikError, type KwikError, SessionClosedError } from "@kwik/core";
import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return isKwikError(error) ? error.code : `not ours: ${String(error)}`;
  }
  return "no error";
}

// spec: SESS-2
test("both sides know the session by the id that the primary assigned", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  expect(client.id).toMatch(/^[0-9a-f]{32}$/);
  expect(server.id).toBe(client.id);
  expect(server.role).toBe("primary");
});

// spec: CLOSE-1
test("close delivers what was written on closed streams, and both sides learn of it once", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(new Uint8Array(200_000));
  const closingStream = stream.close();
  const accepted = await server.acceptStream();
  let got = 0;
  const reading = (async () => {
    for await (const data of accepted) got += data.length;
  })();
  await client.close();
  await closingStream;
  await reading;
  expect(got).toBe(200_000);
  expect(await client.closed).toMatchObject({ code: "NO_ERROR", remote: false });
  expect(await server.closed).toMatchObject({ code: "NO_ERROR", remote: true });
});

// spec: CTRL-15
test("closeWithError reaches the other side with code and reason, and everything that waits rejects", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  const waits = [client.acceptStream(), client.acceptUniStream(), client.receiveDatagram(), stream.read()];
  const outcomes = Promise.all(waits.map((wait) => wait.catch((error: unknown) => error)));
  await server.closeWithError(77, "enough");
  const info = await client.closed;
  expect(info).toEqual({ code: "APPLICATION", errorCode: 77, reason: "enough", remote: true });
  for (const outcome of await outcomes) {
    expect(outcome).toBeInstanceOf(SessionClosedError);
    expect((outcome as SessionClosedError).errorCode).toBe(77);
  }
  expect(() => client.openStream()).toThrow(SessionClosedError);
});

test("a token is checked by the server; a refusal rejects dial and says why", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve({
    authenticate: ({ token }) => (token === "open sesame" ? { ok: true, identity: "ali" } : { ok: false, reason: "unknown token" }),
  });
  const refused = await cluster.dial(server, { credentials: { token: "guess" } }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(AuthError);
  expect((refused as KwikError).message).toContain("unknown token");
  const [, accepted] = await Promise.all([cluster.dial(server, { credentials: { token: "open sesame" } }), server.next()]);
  expect(accepted.clientIdentity).toBe("ali");
  expect(server.listener.stats()).toMatchObject({ sessions: 1, acceptedSessions: 1, refusedSessions: 1 });
});

test("an authenticate hook that throws refuses the client and nothing else", async () => {
  await using cluster = new TestCluster();
  let calls = 0;
  const server = await cluster.serve({
    authenticate: () => {
      calls += 1;
      if (calls === 1) throw new Error("the database is down");
      return { ok: true };
    },
  });
  expect(await codeOf(cluster.dial(server))).toBe("AUTH_REFUSED");
  expect(await codeOf(cluster.dial(server))).toBe("no error");
});

test("dialling nobody, a bad address, or with an aborted signal rejects with its code", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  const nowhere = { ...server, listener: { ...server.listener, url: "kwik://127.0.0.1:1" } as typeof server.listener };
  expect(await codeOf(cluster.dial(nowhere))).toBe("UNREACHABLE");
  const bad = { ...server, listener: { ...server.listener, url: "http://example" } as typeof server.listener };
  expect(await codeOf(cluster.dial(bad))).toBe("INVALID_ARGUMENT");
  const real = { ...server, listener: { ...server.listener, url: server.listener.url } as typeof server.listener };
  expect(await codeOf(cluster.dial(real, { signal: AbortSignal.abort() }))).toBe("ABORTED");
});

test("datagrams arrive whole; one that is too large is refused", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  expect(client.sendDatagram(bytes("ping"))).toBe(true);
  expect(new TextDecoder().decode(await server.receiveDatagram())).toBe("ping");
  expect(client.sendDatagram(new Uint8Array(1_000_000))).toBe(false);
});

// spec: CLOSE-2
test("closing the listener ends its sessions with GOING_AWAY and stops accepting", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  const client = await cluster.dial(server);
  await server.next();
  const accepting = server.listener.accept();
  void accepting.catch(() => undefined);
  await server.listener.close();
  expect(await codeOf(accepting)).toBe("CLOSED");
  expect(await client.closed).toMatchObject({ code: "GOING_AWAY" });
  expect(await codeOf(cluster.dial({ ...server, listener: { ...server.listener, url: `kwik://${server.address}` } }))).toBe("UNREACHABLE");
});

test("events tell of paths, and end with the session", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair({}, { limits: { graceMs: 200 } });
  const seen: string[] = [];
  const watching = (async () => {
    for await (const event of client.events()) seen.push(event.type);
  })();
  await new Promise((resolve) => setImmediate(resolve));
  await server.close();
  await watching;
  expect(seen).not.toContain("suspended");
});

test("a path says where its other end is, which a client cannot make up", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const [near] = client.stats().paths;
  const [far] = server.stats().paths;
  expect(near?.remoteAddress).toBe(near?.address);
  expect(far?.address).toBe(near?.address);
  expect(far?.remoteAddress).toMatch(/:\d+$/);
  expect(far?.remoteAddress).not.toBe(far?.address);
  expect(server.allPaths()[0]?.remoteAddress).toBe(far?.remoteAddress);
});
