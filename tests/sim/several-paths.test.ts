import { lineOf, World } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;

test("two servers carry streams of their own at once", () => {
  const world = new World({ servers: [{ lines: [lineOf(50, 20)] }, { lines: [lineOf(50, 30)] }] }).startAll();
  const first = world.open("bidirectional", 1);
  const second = world.open("bidirectional", 2);
  for (const stream of [first, second]) {
    stream.write("server", 3 * MiB);
    stream.write("client", 1 * MiB);
    stream.finish("server");
    stream.finish("client");
  }
  world.finish();
  expect(second.down?.readOffset).toBe(3 * MiB);
});

test("three servers open streams towards the client", () => {
  const world = new World({ servers: [{ lines: [lineOf(50, 20)] }, { lines: [lineOf(50, 30)] }, { lines: [lineOf(20, 60)] }] }).startAll();
  for (const server of [0, 1, 2]) {
    const stream = world.openFrom(server, "unidirectional");
    stream.write("server", 2 * MiB);
    stream.finish("server");
  }
  world.finish();
});

test("one stream uses both lines to one server", () => {
  const world = new World({ servers: [{ lines: [lineOf(40, 20), lineOf(40, 20)] }] }).startAll();
  const stream = world.open();
  stream.write("server", 16 * MiB);
  stream.finish("server");
  stream.finish("client");
  world.finish();
  const [a, b] = world.lines.map((line) => line.down.deliveredBytes) as [number, number];
  expect(Math.min(a, b) / Math.max(a, b)).toBeGreaterThan(0.8);
});

test("many streams over ragged, jittery, lossy lines arrive whole", () => {
  const rough = { jitterMs: 15, lossRate: 0.02, isRagged: true, chunkBytes: 4000 };
  const world = new World({
    servers: [{ lines: [lineOf(40, 30, rough), lineOf(20, 60, rough)] }],
    expected: ["path-degraded", "path-recovered", "resent"],
  }).startAll();
  for (let index = 0; index < 40; index += 1) {
    const stream = world.open(index % 3 === 0 ? "unidirectional" : "bidirectional");
    stream.write("client", 1 + index * 9973);
    stream.write("server", 1 + index * 7001);
    stream.finish("client");
    stream.finish("server");
  }
  world.finish();
});

test("a removed path drains, and nothing goes out twice", () => {
  const limits = { maxDuplicateShare: 0 };
  const world = new World({ servers: [{ lines: [lineOf(40, 20), lineOf(40, 20)] }], limits }).startAll();
  const stream = world.open();
  stream.write("server", 8 * MiB);
  stream.finish("server");
  stream.finish("client");
  world.until(() => (stream.down?.readOffset ?? 0) > 2 * MiB, "a part of it");
  const requestId = world.server(0).removePath(1, 2_000);
  world.until(() => world.server(0).requests.has(requestId as number), "the answer");
  world.until(() => world.client.session.state.paths.byId(1)?.state === "closed", "the path is closed");
  expect(stream.down?.isFinished).toBe(false);
  world.finish();
  const peer = world.server(0).endpoint?.session.state.peerOf(0);
  expect(peer?.resentBytes).toBe(0);
});

// spec: PATH-13
test("what a line holds that became slow goes out once more on an idle fast one, within the limit, and not at all without it", () => {
  const outcomeOf = (maxDuplicateShare: number): { ms: number; twice: number; duplicate: number } => {
    const world = new World({
      servers: [{ lines: [lineOf(50, 10), lineOf(50, 20)] }],
      limits: { maxDuplicateShare },
      expected: ["path-degraded", "path-recovered", "resent"],
    }).startAll();
    const stream = world.openFrom(0, "unidirectional");
    stream.write("server", 4 * MiB);
    stream.finish("server");
    world.until(() => (stream.down?.readOffset ?? 0) > 3 * MiB, "most of it");
    world.line(1).setRate(600);
    const before = world.now;
    world.until(() => stream.down?.isFinished === true, "the rest", 60_000);
    const ms = world.now - before;
    world.finish();
    const peer = world.server(0).endpoint?.session.state.peerOf(0);
    let duplicate = 0;
    for (const one of world.client.session.state.peers.values()) duplicate += one.duplicateBytes;
    return { ms, twice: peer?.reinjectedBytes ?? 0, duplicate };
  };
  const without = outcomeOf(0);
  const within = outcomeOf(0.02);
  // What is resent because the line became suspect is another matter.
  expect(without.twice).toBe(0);
  expect(within.twice).toBeGreaterThan(0);
  expect(within.twice).toBeLessThanOrEqual(256 * 1024 + 0.02 * 1.3 * 4 * MiB);
  expect(within.duplicate).toBeGreaterThan(0);
  expect(within.ms).toBeLessThan(without.ms / 2);
});

// spec: PATH-14
test("a line that nobody has tried gets copies first, so that nothing waits for it, and is used once it has a rate", () => {
  const outcomeOf = (mbit: number, maxDuplicateShare: number): { ms: number; tried: number; other: number } => {
    const lines = mbit === 0 ? [lineOf(100, 20)] : [lineOf(100, 20), lineOf(mbit, 20)];
    const world = new World({ servers: [{ lines }], limits: { maxDuplicateShare } }).startAll();
    const stream = world.openFrom(0, "unidirectional");
    stream.write("server", MiB / 2);
    stream.finish("server");
    const ms = world.until(() => stream.down?.isFinished === true, "the transfer", 60_000);
    const tried = world.server(0).endpoint?.session.state.peerOf(0).trialBytes ?? 0;
    const before = world.lines[1]?.down.deliveredBytes ?? 0;
    const next = world.openFrom(0, "unidirectional");
    next.write("server", 8 * MiB);
    next.finish("server");
    world.until(() => next.down?.isFinished === true, "the second transfer", 60_000);
    return { ms, tried, other: (world.lines[1]?.down.deliveredBytes ?? 0) - before };
  };
  const slow = outcomeOf(1, 0.02);
  expect(slow.tried).toBeGreaterThan(64 * 1024);
  expect(slow.tried).toBeLessThanOrEqual(256 * 1024 + 16 * 1024);
  expect(slow.ms).toBeLessThanOrEqual(1.02 * outcomeOf(0, 0.02).ms);
  expect(outcomeOf(1, 0).ms).toBeGreaterThan(2 * slow.ms);
  // A line as good as the first gets its share of the next transfer.
  expect(outcomeOf(100, 0.02).other).toBeGreaterThan(3 * MiB);
});

// spec: PATH-14
test("a slow line that joins a fast transfer is tried in small packets, and is not taken to be silent for it", () => {
  const world = new World({ servers: [{ lines: [lineOf(500, 10), lineOf(5, 20)] }] }).start();
  const stream = world.openFrom(0, "unidirectional");
  stream.write("server", 64 * MiB);
  stream.finish("server");
  world.until(() => (stream.down?.readOffset ?? 0) > 16 * MiB, "a part of it");
  const { state } = world.server(0).endpoint?.session ?? world.client.session;
  world.addPath(0, 1);
  let mostInFlight = 0;
  world.until(() => {
    mostInFlight = Math.max(mostInFlight, state.paths.byId(1)?.inFlightBytes ?? 0);
    return stream.down?.isFinished === true;
  }, "the transfer");
  expect(mostInFlight).toBeLessThan(128 * 1024 + 16 * 1024);
  expect(state.peerOf(0).trialBytes).toBeGreaterThan(64 * 1024);
  expect(state.paths.byId(1)?.deliveryRate).toBeGreaterThan(0.9 * 5 * 125);
  world.finish();
});

// spec: PATH-14
test("probes of a line that is busy do not keep its rate from being measured", () => {
  const world = new World({
    servers: [{ lines: [lineOf(100, 20), lineOf(1, 40)] }],
    expected: ["path-degraded", "path-recovered", "resent"],
  }).startAll();
  const stream = world.openFrom(0, "unidirectional");
  stream.write("server", 16 * MiB);
  stream.finish("server");
  world.advance(1_000);
  const { state } = world.server(0).endpoint?.session ?? world.client.session;
  expect(state.paths.byId(1)?.deliveryRate).toBeGreaterThan(0.7 * 125);
  expect(state.peerOf(0).trialBytes).toBeLessThan(160 * 1024);
  world.finish();
});

// spec: PATH-14
test("a line that is kept for when the others are gone is not tried before", () => {
  const world = new World({ servers: [{ lines: [lineOf(50, 20), lineOf(50, 20)] }] }).start();
  world.addPath(0, 1, 64);
  const stream = world.open("unidirectional");
  stream.write("client", 4 * MiB);
  stream.finish("client");
  world.finish();
  expect(world.client.session.state.peerOf(1).trialBytes).toBe(0);
});

// spec: PATH-14
test("messages of a quiet session go out once, on the nearest path", () => {
  const world = new World({ servers: [{ lines: [lineOf(20, 40), lineOf(20, 10)] }] }).startAll();
  const stream = world.open();
  for (let count = 0; count < 50; count += 1) {
    stream.write("client", 1_000);
    stream.write("server", 4_000);
    world.advance(100);
  }
  stream.finish("client");
  stream.finish("server");
  world.finish();
  for (const endpoint of [world.client, world.server(0).endpoint]) {
    for (const peer of endpoint?.session.state.peers.values() ?? []) expect(peer.trialBytes).toBe(0);
  }
  expect(world.lines[0]?.down.deliveredBytes).toBeLessThan(5_000);
});

// spec: PATH-13
test("small frames of a reader do not go out twice, however slow a line is", () => {
  const world = new World({
    servers: [{ lines: [lineOf(20, 60), lineOf(1, 10)] }],
    expected: ["path-degraded", "path-recovered", "resent"],
  });
  world.startAll();
  const stream = world.openFrom(0, "unidirectional");
  for (let message = 0; message < 60; message += 1) {
    stream.write("server", 40_000);
    world.advance(20);
  }
  stream.finish("server");
  world.until(() => stream.down?.isFinished === true, "all messages", 60_000);
  const { state } = world.client.session;
  const packets = [...state.paths.all()].reduce((sum, path) => sum + path.packetsSent, 0);
  expect([...state.peers.values()].map((peer) => peer.reinjectedBytes)).toEqual([0]);
  expect(packets).toBeLessThan(600);
  world.finish();
});

test("messages with pauses between them are no slower for a second, slow line", () => {
  const medianMs = (lines: ReturnType<typeof lineOf>[]): number => {
    const world = new World({ servers: [{ lines }], expected: ["path-degraded", "path-recovered", "resent"] }).startAll();
    const stream = world.openFrom(0, "unidirectional");
    const took: number[] = [];
    for (let message = 1; message <= 40; message += 1) {
      const start = world.now;
      stream.write("server", 200_000);
      world.until(() => (stream.down?.readOffset ?? 0) >= message * 200_000, "the message", 60_000);
      took.push(world.now - start);
      world.advance(Math.max(1, start + 100 - world.now));
    }
    stream.finish("server");
    world.finish();
    return took.sort((a, b) => a - b)[took.length >> 1] ?? 0;
  };
  expect(medianMs([lineOf(20, 20), lineOf(2, 400)])).toBeLessThanOrEqual(1.1 * medianMs([lineOf(20, 20)]));
});
