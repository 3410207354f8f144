import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";
import { codeOf } from "./watching.ts";

/** The least that a session may hold. */
const FLOOR_BYTES = 256 * 1024;

test("what was skipped at the end of a stream is filled in, and a write of all of it waits for nothing", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = server.openStream();
  stream.skip(100);
  const contribution = server.contribute({ streamId: stream.id, offset: 0n });
  await contribution.write(new Uint8Array(100).fill(7));
  await contribution.close();
  await stream.close();
  const far = await client.acceptStream();
  let got = 0;
  for await (const data of far) got += data.length;
  expect(got).toBe(100);
});

test("a contribution to a stream of one's own that is longer than what was skipped is refused, not kept waiting", async () => {
  await using cluster = new TestCluster();
  const { server } = await cluster.pair();
  const stream = server.openStream();
  stream.skip(100);
  await stream.write(bytes("tail"));
  const contribution = server.contribute({ streamId: stream.id, offset: 0n });
  expect(await codeOf(contribution.write(new Uint8Array(150)))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(contribution.write("text" as never))).toBe("INVALID_ARGUMENT");
  expect(contribution.offset).toBe(0n);
  await contribution.write(new Uint8Array(100));
  await contribution.close();
  expect(await codeOf(contribution.write(new Uint8Array(1)))).toBe("CLOSED");
});

test("contributions count on what a session, and all of a listener, may hold unacknowledged", async () => {
  await using cluster = new TestCluster();
  const home = await cluster.serve();
  const helper = await cluster.serve({ limits: { maxSessionSendBufferBytes: FLOOR_BYTES, graceMs: 20_000 } });
  const client = await cluster.dial(home, { limits: { graceMs: 20_000 } });
  const primary = await home.next();
  const joining = helper.next();
  await primary.addPath(helper.address);
  const secondary = await joining;
  const streams = [1, 2, 3, 4].map(() => primary.openUniStream());
  for (const stream of streams) await stream.write(bytes("x"));
  const contributions = streams.map(({ id }) => secondary.contribute({ streamId: id, offset: 1n }));
  // A first byte of each brings the credit for more.
  for (const contribution of contributions) await contribution.write(bytes("y"));
  cluster.network.unplug(helper.address);
  let settled = 0;
  const writing = contributions.map((contribution) => contribution.write(new Uint8Array(120_000)).then(() => (settled += 1)));
  await expect.poll(() => helper.listener.stats().sendBufferBytes).toBeGreaterThan(FLOOR_BYTES);
  expect(settled).toBeLessThan(writing.length);
  cluster.network.plug(helper.address);
  await Promise.all(writing);
  for (const contribution of contributions) await contribution.close();
  await expect.poll(() => helper.listener.stats().sendBufferBytes).toBe(0);
  await client.close();
});

test("a contribution that has arrived whole can be closed after the client has read all of it and left", async () => {
  await using cluster = new TestCluster();
  const home = await cluster.serve();
  const helper = await cluster.serve();
  const client = await cluster.dial(home);
  const primary = await home.next();
  const joining = helper.next();
  await primary.addPath(helper.address);
  const secondary = await joining;
  const [whole, more] = [primary.openUniStream(), primary.openUniStream()];
  for (const stream of [whole, more]) {
    await stream.write(bytes("x"));
    stream.skip(1);
  }
  const contributions = [whole, more].map(({ id }) => secondary.contribute({ streamId: id, offset: 1n }));
  for (const contribution of contributions) await contribution.write(bytes("y"));
  await whole.close();
  let got = "";
  for await (const data of await client.acceptUniStream()) got += new TextDecoder().decode(data);
  expect(got).toBe("xy");
  await client.close();
  await secondary.closed;
  const [first, second] = contributions as [(typeof contributions)[0], (typeof contributions)[0]];
  await first.close();
  expect(await codeOf(first.write(bytes("z")))).toBe("STREAM_STATE");
  expect(await codeOf(second.write(bytes("z")))).toBe("NO_ERROR");
});
