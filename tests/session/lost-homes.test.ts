import { createHash } from "node:crypto";
import type { SendStream } from "@kwik/core";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";
import { codeOf } from "./watching.ts";

// spec: CLOSE-2
test("nothing of a stream hangs when its home is gone while other servers go on", async () => {
  await using cluster = new TestCluster();
  const a = await cluster.serve();
  const b = await cluster.serve({ limits: { maxStreams: 100 } });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  await a.next();
  await b.next();
  await expect.poll(() => client.stats().paths.filter((path) => path.state === "active").length).toBe(2);
  const atB = client.stats().paths.find((path) => path.address === b.address)?.id ?? -1;
  const streams: SendStream[] = [];
  for (;;) {
    try {
      streams.push(client.openUniStream({ pathId: atB }));
    } catch {
      break;
    }
  }
  const [stream] = streams as [SendStream];
  const writing = (async () => {
    for (;;) await stream.write(new Uint8Array(100_000));
  })();
  const closing = (streams[1] as SendStream).write(bytes("x")).then(() => (streams[1] as SendStream).close());
  const waiting = client.openUniStreamSync({ pathId: atB });
  for (const promise of [writing, closing, waiting]) promise.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 30));
  await b.listener.close();
  expect(await codeOf(writing)).toBe("HOME_LOST");
  expect(await codeOf(closing)).toMatch(/HOME_LOST|no error/);
  expect(await codeOf(waiting)).toBe("HOME_LOST");
  expect(() => client.openStream({ pathId: atB })).toThrow(/gone/);
  const still = client.openStream();
  await still.write(bytes("the primary is there"));
});

test("what was written to a server that is lost does not count on the session any more, and does not keep others from writing", async () => {
  await using cluster = new TestCluster();
  const [a, b] = [await cluster.serve(), await cluster.serve()];
  const client = await cluster.dial(a, { servers: [b.listener.url], limits: { graceMs: 100, maxSessionSendBufferBytes: 256 * 1024 } });
  await Promise.all([a.next(), b.next()]);
  await expect.poll(() => client.stats().paths.filter((path) => path.state === "active").length).toBe(2);
  const atB = client.stats().paths.find((path) => path.address === b.address)?.id ?? -1;
  const streams = [client.openUniStream({ pathId: atB }), client.openUniStream({ pathId: atB })];
  cluster.network.crash(b.address);
  const writing = streams.map((stream) => codeOf(stream.write(new Uint8Array(200_000)).then(() => stream.flushed())));
  expect(await Promise.all(writing)).toEqual(["HOME_LOST", "HOME_LOST"]);
  await client.openUniStream().write(bytes("the primary is there"));
});

// spec: CONTENT-5, CLOSE-2
test("a stream whose home is gone ends with an error after the content that others brought, and its writer at once", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(5, 0, 6_000_000);
  const source = {
    id: "film",
    version: "1",
    length: BigInt(data.length),
    read: async (offset: bigint, length: number) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return data.slice(Number(offset), Number(offset) + length);
    },
  };
  const content = { open: async () => source };
  const a = await cluster.serve({ content });
  const b = await cluster.serve({ content });
  const client = await cluster.dial(a, { servers: [b.listener.url] });
  const primary = await a.next();
  await b.next();
  await expect.poll(() => client.stats().paths.filter((path) => path.state === "active").length).toBe(2);
  const stream = primary.openStream();
  const hashes = Array.from({ length: Math.ceil(data.length / 262_144) }, (_, block) =>
    createHash("sha256")
      .update(data.subarray(block * 262_144, (block + 1) * 262_144))
      .digest(),
  );
  void stream.sendContent({ ...source, hashes: async () => hashes }).catch(() => undefined);
  const accepted = await client.acceptStream();
  const pieces: Uint8Array[] = [];
  const first = await accepted.read();
  if (first !== null) pieces.push(first);
  await a.listener.close();
  const writing = (async () => {
    for (;;) await accepted.write(new Uint8Array(100_000));
  })();
  expect(await codeOf(writing)).toBe("HOME_LOST");
  let failed: unknown;
  while (failed === undefined) {
    await accepted.read().then(
      (piece) => pieces.push(piece as Uint8Array),
      (error: unknown) => {
        failed = error;
      },
    );
  }
  expect(failed).toMatchObject({ code: "HOME_LOST" });
  expect(Buffer.compare(Buffer.concat(pieces), data)).toBe(0);
});
