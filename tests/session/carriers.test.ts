import { lineOf, World } from "@kwik/testkit";
import { expect, test } from "vitest";

const KiB = 1024;

// spec: STREAM-8
test("an upload goes on untroubled when the other streams beside it have ended long ago", () => {
  const world = new World({ servers: [{ lines: [lineOf(20, 30)] }], limits: { streamsPerCarrier: 1 } }).start();
  const streams = Array.from({ length: 8 }, () => world.open("unidirectional"));
  for (const stream of streams) stream.write("client", 1 * KiB);
  world.advance(200);
  for (const stream of streams.slice(0, 7)) stream.finish("client");
  const last = streams[7];
  if (last === undefined) throw new Error("no stream");
  for (let step = 0; step < 400; step += 1) {
    last.write("client", 4 * KiB);
    world.advance(25);
  }
  last.finish("client");
  world.finish();
  expect(last.up?.readOffset).toBe(1 * KiB + 400 * 4 * KiB);
});
