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

test("a client that leaves while it is being checked gives its turn back", async () => {
  await using cluster = new TestCluster();
  let asked = 0;
  const server = await cluster.serve({
    limits: { failedChecksPerMinutePerPrefix: 1, handshakeTimeoutMs: 600_000 },
    authenticate: () => {
      asked += 1;
      return asked === 1 ? new Promise<AuthResult>(() => undefined) : { ok: true };
    },
  });
  const abort = new AbortController();
  const first = outcomeOf(cluster.dial(server, { signal: abort.signal }));
  await expect.poll(() => asked, { timeout: 30_000 }).toBe(1);
  abort.abort();
  expect(await first).toBe("ABORTED");
  expect(await outcomeOf(cluster.dial(server))).toBe("in");
});
