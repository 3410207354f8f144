import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";
import { codeOf } from "./watching.ts";

/** All that a new stream may send before anything of it was read. */
const WINDOW_BYTES = 256 * 1024;

// spec: STREAM-4
test("a close resolves where the other side has everything and stops reading in the same breath", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  const writing = stream.write(bytes("all of it"));
  const closing = stream.close();
  const far = await server.acceptStream();
  far.stopReading(7);
  expect(await codeOf(Promise.all([writing, closing]))).toBe("no error");
});

test("a write that waited for credit resolves when the stream ends well without more of it", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  const writing = stream.write(new Uint8Array(WINDOW_BYTES));
  const closing = stream.close();
  await Promise.all([writing, closing]);
  const far = await server.acceptStream();
  let got = 0;
  for (let data = await far.read(); data !== null; data = await far.read()) got += data.length;
  expect(got).toBe(WINDOW_BYTES);
});

// spec: CLOSE-2
test("a stream whose session ends in the moment in which it is opened fails, and nobody waits on it", async () => {
  await using cluster = new TestCluster();
  const { client } = await cluster.pair();
  const opening = client.openStreamSync();
  const ended = client.closeWithError(5, "at once");
  const stream = await opening;
  expect(await codeOf(stream.read())).toBe("APPLICATION");
  expect(await codeOf(stream.write(bytes("x")))).toBe("APPLICATION");
  expect(await codeOf(stream.close())).toBe("APPLICATION");
  await ended;
});

// spec: CLOSE-2
test("a stream that is over before its owner closes it fails instead of waiting", async () => {
  await using cluster = new TestCluster();
  const { client } = await cluster.pair();
  const opening = client.openUniStreamSync();
  const ended = client.closeWithError(5, "at once");
  const stream = await opening;
  expect(await codeOf(stream.flushed())).toBe("APPLICATION");
  expect(await codeOf(stream.close())).toBe("APPLICATION");
  await ended;
});

test("whoever waits for the end of a web stream without reading hears of it when nothing is left to be read", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const [ended, reset, unread] = [client.openUniStream(), client.openUniStream(), client.openUniStream()];
  const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
  for (const stream of [ended, reset, unread]) {
    await stream.write(bytes("x"));
    readers.push((await server.acceptUniStream()).readable.getReader());
  }
  const [first, second, third] = readers as [(typeof readers)[0], (typeof readers)[0], (typeof readers)[0]];
  expect(await first.read()).toMatchObject({ done: false });
  await ended.close();
  await first.closed;
  expect(await second.read()).toMatchObject({ done: false });
  reset.reset(6);
  expect(await codeOf(second.closed)).toBe("APPLICATION");
  // What has come is read before the end is told.
  await client.closeWithError(7, "over");
  await server.closed;
  expect(await third.read()).toMatchObject({ done: false, value: bytes("x") });
  expect(await codeOf(third.closed)).toBe("APPLICATION");
});
