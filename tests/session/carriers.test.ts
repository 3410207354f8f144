import type { PathId } from "@kwik/proto";
import { lineOf, World } from "@kwik/testkit";
import { expect, test } from "vitest";

const KiB = 1024;

/** On each side of a path: carriers that it opened and uses, and carriers of either side that are out of use and have not ended. */
function carriers(world: World, pathId: PathId = 0): { own: number; leaving: number }[] {
  return world.endpoints().flatMap((endpoint) => {
    const pool = endpoint.session.state.wires.get(pathId)?.pool;
    return pool === undefined ? [] : [{ own: pool.ownCount, leaving: pool.leavingCount }];
  });
}

const ONE_EACH = [
  { own: 1, leaving: 0 },
  { own: 1, leaving: 0 },
];

/** A hundred streams that both sides write to, and end when all have arrived. */
function hundredStreams(world: World): void {
  const streams = Array.from({ length: 100 }, (_, index) => world.open(index % 3 === 0 ? "unidirectional" : "bidirectional"));
  streams.forEach((stream, index) => {
    stream.write("client", 1 + index * 997);
    stream.write("server", 1 + index * 701);
  });
  world.advance(1_500);
  for (const { own } of carriers(world)) expect(own).toBeGreaterThanOrEqual(25);
  for (const stream of streams) {
    stream.finish("client");
    stream.finish("server");
  }
}

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

// spec: STREAM-8, CARRIER-6
test("the carriers of a hundred streams are given back when those are over, and the path lives on with one for each side", () => {
  const world = new World({ servers: [{ lines: [lineOf(50, 30)] }] }).start();
  for (let wave = 0; wave < 3; wave += 1) {
    hundredStreams(world);
    world.until(() => world.openFlows().length === 0, "the streams are over");
    world.advance(4_000);
    for (const { own } of carriers(world)) expect(own).toBeGreaterThan(20);
    world.advance(3_000);
    expect(carriers(world)).toEqual(ONE_EACH);
  }
  expect(world.client.session.state.paths.all().map((path) => path.state)).toEqual(["active"]);
  world.finish();
});

// spec: STREAM-8, CARRIER-6
test("carriers are given back beside one stream that goes on both ways, and not a byte of it goes out twice", () => {
  const world = new World({ servers: [{ lines: [lineOf(50, 30)] }] }).start();
  const busy = world.open();
  hundredStreams(world);
  for (let step = 0; step < 1_000; step += 1) {
    busy.write("client", 16 * KiB);
    busy.write("server", 24 * KiB);
    world.advance(10);
  }
  expect(carriers(world)).toEqual(ONE_EACH);
  busy.finish("client");
  busy.finish("server");
  world.finish();
  expect([busy.up?.readOffset, busy.down?.readOffset]).toEqual([16_000 * KiB, 24_000 * KiB]);
});
