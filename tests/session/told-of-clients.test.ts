import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";
import { codeOf } from "./watching.ts";

const STREAMS = 30;

test("refused streams are counted, and a hook that fails for each of many streams is told of once, and counted", async () => {
  await using cluster = new TestCluster();
  let asked = 0;
  const authorizeStream = () => {
    asked += 1;
    if (asked <= STREAMS) throw new Error("the database is away");
    return { ok: false as const, code: 77 };
  };
  const served = await cluster.serve({ authorizeStream });
  const client = await cluster.dial(served);
  await served.next();
  for (let count = 0; count < STREAMS + 5; count += 1) {
    const stream = client.openStream();
    void stream.write(bytes("x")).catch(() => undefined);
    expect(await codeOf(stream.read())).toBe("APPLICATION");
  }
  expect(served.listener.stats()).toMatchObject({ refusedStreams: STREAMS + 5, hookFaults: { authorizeStream: STREAMS } });
  expect(served.notices).toEqual(["authorizeStream failed: the database is away"]);
});

test("what a failing store, source or answerer says reaches the log of its server, and no client", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve({
    content: {
      open: () => Promise.reject(new Error("EACCES: /srv/private")),
    },
  });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const [home, other] = await Promise.all([a.next(), b.next()]);
  await expect.poll(() => home.activePaths().length).toBe(2);
  other.onRaw(() => {
    throw new Error("nobody knows");
  });
  const path = home.activePaths().find(({ address }) => address === b.address)?.id ?? -1;
  expect(await codeOf(home.sendRaw(bytes("?"), path))).not.toBe("no error");
  const source = { id: "film", version: "1", length: 300_000n, read: async (_: bigint, length: number) => new Uint8Array(length) };
  const sending = home.openStream().sendContent(source, { end: true });
  let got = 0;
  for await (const data of await client.acceptStream()) got += data.length;
  await sending;
  expect(got).toBe(300_000);
  await expect.poll(() => b.listener.stats().hookFaults).toMatchObject({ onRaw: 1, "ContentStore.open": 1 });
  expect(b.notices).toEqual(["onRaw failed: nobody knows", 'ContentStore.open failed: "film": EACCES: /srv/private']);
});

test("sessions that end are counted by code, and those that a client brought to an end are told of", async () => {
  await using cluster = new TestCluster();
  const served = await cluster.serve({ limits: { maxControlMessagesPerSecond: 1000, maxStreams: 5000 } });
  const well = await cluster.dial(served);
  await served.next();
  await well.close();
  const client = await cluster.dial(served);
  const session = await served.next();
  // More than a client may say in a second, and twice as many at once.
  for (let count = 0; count < 3000; count += 1) client.openStream({ priority: 1 }).reset(0);
  expect((await session.closed).code).toBe("LIMIT_REACHED");
  expect(served.listener.stats().endings).toEqual({ NO_ERROR: 1, LIMIT_REACHED: 1 });
  expect(served.notices).toEqual([expect.stringMatching(/^session [0-9a-f]{8} ended with LIMIT_REACHED: /)]);
});
