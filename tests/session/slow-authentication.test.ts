import { type AuthResult, isKwikError } from "@kwik/core";
import { expect, test } from "vitest";
import { TestCluster } from "./pair.ts";

async function outcomeOf(dialling: Promise<unknown>): Promise<string> {
  return dialling.then(
    () => "in",
    (error: unknown) => (isKwikError(error) ? error.code : String(error)),
  );
}

test("an `authenticate` that never answers keeps neither the client nor the turns of its network", async () => {
  await using cluster = new TestCluster();
  let asked = 0;
  const server = await cluster.serve({
    limits: { failedChecksPerMinutePerPrefix: 1, handshakeTimeoutMs: 300 },
    authenticate: () => {
      asked += 1;
      return asked === 1 ? new Promise<AuthResult>(() => undefined) : { ok: true };
    },
  });
  const first = outcomeOf(cluster.dial(server));
  await expect.poll(() => asked, { timeout: 30_000 }).toBe(1);
  // It waits for the turn of the first, and not for ever.
  const second = outcomeOf(cluster.dial(server));
  expect(await first).toBe("TIMEOUT");
  expect(["TIMEOUT", "in"]).toContain(await second);
  expect(await outcomeOf(cluster.dial(server))).toBe("in");
  expect(server.listener.stats().refusals["timeout"]).toBeGreaterThan(0);
});

test("`authenticate` is told when its client has left; the turn of its network comes back when it ends", async () => {
  await using cluster = new TestCluster();
  let asked = 0;
  const server = await cluster.serve({
    limits: { failedChecksPerMinutePerPrefix: 1, handshakeTimeoutMs: 600_000 },
    authenticate: ({ signal }) => {
      asked += 1;
      if (asked > 1) return { ok: true };
      return new Promise<AuthResult>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    },
  });
  const abort = new AbortController();
  const first = outcomeOf(cluster.dial(server, { signal: abort.signal }));
  await expect.poll(() => asked, { timeout: 30_000 }).toBe(1);
  abort.abort();
  expect(await first).toBe("ABORTED");
  expect(await outcomeOf(cluster.dial(server))).toBe("in");
});

test("of clients that are decided about at once there are so many, over all networks; the others wait, and come in", async () => {
  let host = "203.0.113.1";
  await using cluster = new TestCluster({ clientHost: () => host });
  const open: (() => void)[] = [];
  let most = 0;
  const server = await cluster.serve({
    limits: { maxPendingAuthentications: 4, handshakeTimeoutMs: 30_000 },
    authenticate: () =>
      new Promise<AuthResult>((resolve) => {
        open.push(() => resolve({ ok: true }));
        most = Math.max(most, open.length);
      }),
  });
  const crowd = Array.from({ length: 10 }, () => outcomeOf(cluster.dial(server)));
  // A network has as many as it leaves to others.
  await expect.poll(() => open.length).toBe(2);
  host = "198.51.100.1";
  const other = outcomeOf(cluster.dial(server));
  await expect.poll(() => open.length).toBe(3);
  let isOver = false;
  const all = Promise.all([...crowd, other]).finally(() => (isOver = true));
  const answer = (): boolean => {
    open.shift()?.();
    return isOver;
  };
  await expect.poll(answer).toBe(true);
  expect(new Set(await all)).toEqual(new Set(["in"]));
  expect(most).toBe(3);
});

test("a client that leaves while it is decided about does not make room for another call before its own is answered", async () => {
  await using cluster = new TestCluster();
  const open: (() => void)[] = [];
  let arrived = 0;
  const server = await cluster.serve({
    limits: { maxPendingAuthentications: 1, handshakeTimeoutMs: 30_000 },
    // Asked just before `authenticate` would be.
    redirect: () => {
      arrived += 1;
      return undefined;
    },
    authenticate: () => new Promise<AuthResult>((resolve) => open.push(() => resolve({ ok: true }))),
  });
  const abort = new AbortController();
  const first = outcomeOf(cluster.dial(server, { signal: abort.signal }));
  await expect.poll(() => open.length).toBe(1);
  abort.abort();
  expect(await first).toBe("ABORTED");
  await expect.poll(() => server.listener.stats().waitingConnections).toBe(0);
  const second = outcomeOf(cluster.dial(server));
  await expect.poll(() => arrived).toBe(2);
  await new Promise((resolve) => setImmediate(resolve));
  expect(open).toHaveLength(1);
  open[0]?.();
  await expect.poll(() => open.length).toBe(2);
  open[1]?.();
  expect(await second).toBe("in");
});

test("`authenticate` is told when its time is over", async () => {
  await using cluster = new TestCluster();
  let asked: AbortSignal | undefined;
  const server = await cluster.serve({
    limits: { handshakeTimeoutMs: 300 },
    authenticate: ({ signal }) => {
      asked = signal;
      return new Promise<AuthResult>(() => undefined);
    },
  });
  expect(await outcomeOf(cluster.dial(server))).toBe("TIMEOUT");
  await expect.poll(() => asked?.aborted).toBe(true);
});

test("clients of one network that leave have no more checks under way than others, and their wrong guesses count", async () => {
  await using cluster = new TestCluster();
  const open: (() => void)[] = [];
  const server = await cluster.serve({
    limits: { failedChecksPerMinutePerPrefix: 3, handshakeTimeoutMs: 600_000 },
    authenticate: () => new Promise<AuthResult>((resolve) => open.push(() => resolve({ ok: false, reason: "wrong" }))),
  });
  for (let count = 1; count <= 3; count += 1) {
    const abort = new AbortController();
    const leaving = outcomeOf(cluster.dial(server, { signal: abort.signal, credentials: { token: `guess ${count}` } }));
    await expect.poll(() => open.length, { timeout: 30_000 }).toBe(count);
    abort.abort();
    expect(await leaving).toBe("ABORTED");
  }
  await expect.poll(() => server.listener.stats().waitingConnections, { timeout: 30_000 }).toBe(0);
  // It has to wait until one of those is answered, and then hears that all of them were wrong.
  const next = outcomeOf(cluster.dial(server));
  await expect.poll(() => server.listener.stats().waitingConnections, { timeout: 30_000 }).toBe(1);
  for (const answer of open) answer();
  expect(await next).toBe("LIMIT_REACHED");
  expect(open).toHaveLength(3);
});
