import type { Stream } from "@kwik/core";
import { expect, test } from "vitest";
import { TestCluster } from "./pair.ts";

const KIB = 1024;
const LIMITS = { initialStreamWindowBytes: 4_000_000, initialSessionWindowBytes: 64_000_000, minDeadAfterMs: 60_000 };

/** Writes until it has to wait; answers how much was taken, and the wait. */
async function fill(stream: Stream): Promise<{ readonly bytes: number; readonly waiting: Promise<void> }> {
  for (let bytes = 0; ; ) {
    const waiting = stream.write(new Uint8Array(16 * KIB));
    bytes += 16 * KIB;
    let isWaiting = true;
    void waiting.then(() => (isWaiting = false));
    await new Promise((resolve) => setImmediate(resolve));
    if (isWaiting) return { bytes, waiting };
  }
}

test("of many streams that write at once each is ahead by less than one alone, and all go on when bytes leave", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve({ limits: LIMITS });
  const client = await cluster.dial(server, { limits: LIMITS });
  const session = await server.next();
  const connection = cluster.network.connections[0];
  connection?.setShape("to-server", { isBlackhole: true });
  const first = client.openStream();
  // Takes up what may be in flight.
  const alone = await fill(first);
  const others = Array.from({ length: 99 }, () => client.openStream());
  const filled: Awaited<ReturnType<typeof fill>>[] = [];
  for (const stream of others) filled.push(await fill(stream));
  const last = filled.slice(-20).map(({ bytes }) => bytes);
  expect(alone.bytes).toBeGreaterThanOrEqual(256 * KIB);
  expect(Math.max(...last)).toBeLessThanOrEqual(80 * KIB);
  expect(Math.min(...last)).toBeGreaterThanOrEqual(64 * KIB);
  connection?.setShape("to-server", { isBlackhole: false });
  const reading = (async () => {
    for (let count = 0; count < 100; count += 1) {
      const stream = await session.acceptStream();
      void (async () => {
        for (let data = await stream.read(); data !== null; data = await stream.read());
      })().catch(() => undefined);
    }
  })();
  for (const { waiting } of [alone, ...filled]) await waiting;
  await reading;
});
