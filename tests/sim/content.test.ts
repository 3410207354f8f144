import { ErrorCode } from "@kwik/proto";
import { lineOf, World, type IncidentKind, type SimStream, type WorldOptions } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;
const TROUBLE: IncidentKind[] = ["path-degraded", "path-recovered", "path-dead", "path-failed", "redial", "resent"];

/** Three servers with equal lines; the first one is the home. */
function threeServers(options: Partial<WorldOptions> & { readonly shelves?: readonly object[] } = {}): World {
  const lines = [lineOf(50, 20)];
  const servers = [0, 1, 2].map((index) => ({ lines, diskMs: 1, ...options.shelves?.[index] }));
  return new World({ ...options, servers }).startAll();
}

function offer(world: World, bytes: number): { stream: SimStream; offerId: number } {
  const stream = world.openFrom(0, "unidirectional");
  const offerId = world.server(0).sendContent(stream, world.content("film", bytes), true) as number;
  return { stream, offerId };
}

test("a content comes from all three servers, and its home hears that it arrived", () => {
  const world = threeServers();
  const { stream, offerId } = offer(world, 24 * MiB);
  world.finish();
  expect(stream.down?.readOffset).toBe(24 * MiB);
  expect(world.server(0).contentsDone.get(offerId)).toBe(0);
  for (const server of world.servers) expect(server.shelf.readBytes).toBeGreaterThan(6 * MiB);
});

test("a content between bytes of the home keeps its place", () => {
  const world = threeServers();
  const stream = world.openFrom(0, "bidirectional");
  stream.write("server", 100_000);
  world.server(0).sendContent(stream, world.content("inner", 3 * MiB + 17), false);
  stream.write("server", 50_000);
  stream.finish("server");
  stream.write("client", 1_000);
  stream.finish("client");
  world.finish();
  expect(stream.down?.readOffset).toBe(3 * MiB + 17 + 150_000);
});

test("when a source is killed, the others bring its part", () => {
  const world = threeServers({ expected: TROUBLE, limits: { graceMs: 3_000 } });
  const { stream } = offer(world, 24 * MiB);
  world.until(() => (stream.down?.readOffset ?? 0) > 4 * MiB, "a part of it");
  world.server(2).kill();
  world.until(() => stream.down?.isFinished === true, "all of it", 20_000);
  expect(stream.down?.longestGapMs).toBeLessThan(1_000);
});

test("a source that lies is isolated, and none of its bytes reach the reader", () => {
  const world = threeServers({ shelves: [{}, { isLiar: true }, {}], expected: ["source-isolated"] });
  const { stream } = offer(world, 12 * MiB);
  world.finish();
  expect(stream.down?.isFinished).toBe(true);
  // The client finds it out, once, and tells the servers.
  const told = world.incidents.ofKind("source-isolated").map((incident) => incident.side);
  expect(told.sort()).toEqual(["client", "server 0", "server 1", "server 2"]);
});

// spec: CONTENT-18, CONTENT-19
test.each([
  ["says yes to everything and gives nothing", { diskMs: 1e9 }],
  ["takes three seconds for each read", { diskMs: 3_000 }],
])("a source that %s is named and set aside, and holds nobody up", (_, shelf) => {
  const alone = threeServers({ shelves: [{}, {}, { has: [] }], expected: ["source-isolated"] });
  const usual = offer(alone, 96 * MiB).stream;
  const usualMs = alone.until(() => usual.down?.outcome !== undefined, "the content without it");
  const world = threeServers({ shelves: [{}, {}, shelf], expected: ["source-slow"] });
  const { stream } = offer(world, 96 * MiB);
  const ms = world.until(() => stream.down?.outcome !== undefined, "all of it");
  expect(stream.down?.isFinished).toBe(true);
  expect(ms).toBeLessThan(1.05 * usualMs);
  const told = world.incidents.ofKind("source-slow");
  expect(told.map((incident) => incident.side).sort()).toEqual(["client", "server 0", "server 1", "server 2"]);
  expect(told.every((incident) => incident.detail.startsWith("member 3"))).toBe(true);
});

// spec: CONTENT-18
test("a slow source that is the only one left is asked all the same", () => {
  const expected: IncidentKind[] = [...TROUBLE, "suspended", "resumed", "source-slow"];
  const world = threeServers({ shelves: [{}, {}, { diskMs: 1_500 }], expected, limits: { graceMs: 60_000 } });
  const { stream } = offer(world, 96 * MiB);
  world.until(() => world.incidents.ofKind("source-slow").length > 0, "it is set aside");
  for (const line of world.lines.slice(0, 2)) line.blackhole("both");
  const before = world.server(2).shelf.readBytes;
  world.until(() => world.server(2).shelf.readBytes > before + 4 * MiB, "it is asked", 20_000);
  for (const line of world.lines) line.heal();
  world.finish();
  expect(stream.down?.isFinished).toBe(true);
});

test("a source with another version, and one without the content, are left out", () => {
  const world = threeServers({ shelves: [{}, { isOutdated: true }, { has: [] }], expected: ["source-isolated"] });
  const { stream } = offer(world, 8 * MiB);
  world.finish();
  expect(stream.down?.isFinished).toBe(true);
  expect(world.server(0).shelf.readBytes).toBeGreaterThanOrEqual(8 * MiB);
});

test("when the home is killed after its hashes came, the others bring the content to its end", () => {
  const world = threeServers({ expected: [...TROUBLE, "stream-failed"], limits: { graceMs: 3_000 } });
  const { stream } = offer(world, 24 * MiB);
  world.until(() => (stream.down?.readOffset ?? 0) > 4 * MiB, "a part of it");
  world.server(0).kill();
  world.until(() => stream.down?.outcome !== undefined, "the end", 20_000);
  expect(stream.down?.isFinished).toBe(true);
});

test("when nobody can deliver what verifies, the stream fails with CONTENT_UNAVAILABLE", () => {
  const world = threeServers({
    shelves: [{ has: [] }, { isLiar: true }, { isOutdated: true }],
    expected: ["source-isolated", "stream-failed"],
  });
  const { stream, offerId } = offer(world, 4 * MiB);
  world.until(() => stream.down?.outcome !== undefined, "the end", 20_000);
  expect(stream.down?.outcome).toEqual({ kind: "failed", code: ErrorCode.CONTENT_UNAVAILABLE });
  world.until(() => world.server(0).contentsDone.has(offerId), "the home hears of it");
});

test("a paused reader stops the content within its window", () => {
  const world = threeServers({ limits: { maxContentWindowBytes: 8 * MiB } });
  const { stream } = offer(world, 40 * MiB);
  stream.pause("client");
  world.advance(10_000);
  expect(world.clientMemory.peakReceiveBytes).toBeLessThanOrEqual(8 * MiB);
  stream.resume("client");
  world.finish();
  expect(stream.down?.isFinished).toBe(true);
});

test("even and odd blocks come from two servers in one stream", () => {
  const world = threeServers();
  const stream = world.openFrom(0, "unidirectional");
  const block = 64 * 1024;
  const count = 60;
  for (let index = 0; index < count; index += 1) {
    if (index % 2 === 0) stream.write("server", block);
    else world.server(0).endpoint?.streams.skip(stream.id, block);
  }
  stream.finish("server");
  world.server(1).endpoint?.streams.contribute(stream.id, block, block, count / 2, 2 * block);
  world.finish();
  expect(stream.down?.readOffset).toBe(count * block);
});

test("contributions of a server over a slow line hold up the reader, not the memory", () => {
  const world = new World({ servers: [{ lines: [lineOf(100, 10)] }, { lines: [lineOf(5, 80)] }] }).startAll();
  const stream = world.openFrom(0, "unidirectional");
  world.server(0).endpoint?.streams.skip(stream.id, MiB);
  stream.write("server", 12 * MiB);
  stream.finish("server");
  world.server(1).endpoint?.streams.contribute(stream.id, 0, MiB);
  world.finish();
  expect(stream.down?.readOffset).toBe(13 * MiB);
});
