import { ErrorCode } from "@kwik/proto";
import { lineOf, patternBytes, World, type IncidentKind } from "@kwik/testkit";
import { expect, test } from "vitest";

const TROUBLE: IncidentKind[] = ["path-degraded", "path-recovered", "path-dead", "path-failed", "redial", "resent", "suspended", "resumed"];

function twoServers(expected: IncidentKind[] = []): World {
  return new World({
    servers: [{ lines: [lineOf(50, 20)] }, { lines: [lineOf(50, 30)] }],
    expected,
    limits: { graceMs: 3_000 },
  }).startAll();
}

test("raw messages go both ways between servers, and each reply belongs to its message", () => {
  const world = twoServers();
  for (let index = 0; index < 20; index += 1) {
    world.server(0).sendRaw(patternBytes(1, index, 1 + index * 5_000), 1);
    world.server(1).sendRaw(patternBytes(2, index, 1 + index * 3_000), 0);
  }
  world.until(() => world.server(0).rawReplies.size === 20 && world.server(1).rawReplies.size === 20, "all replies");
  for (const server of world.servers) for (const reply of server.rawReplies.values()) expect(reply.code).toBe(0);
  world.finish();
});

test("a raw message whose target dies before its answer fails with PATH_DEAD", () => {
  const world = twoServers(TROUBLE);
  world.server(1).rawAnswerMs = 500;
  const requestId = world.server(0).sendRaw(patternBytes(1, 0, 1_000), 1) as number;
  world.until(() => world.server(1).rawRequestCount === 1, "the message is there");
  world.server(1).kill();
  world.until(() => world.server(0).rawReplies.has(requestId), "the answer", 20_000);
  expect(world.server(0).rawReplies.get(requestId)?.code).toBe(ErrorCode.PATH_DEAD);
});

test("a raw message to a path that does not exist, or that ends at the sender, is refused", () => {
  const world = twoServers();
  const unknown = world.server(0).sendRaw(patternBytes(1, 0, 10), 77) as number;
  const own = world.server(0).sendRaw(patternBytes(1, 0, 10), 0) as number;
  world.until(() => world.server(0).rawReplies.size === 2, "both answers");
  expect(world.server(0).rawReplies.get(unknown)?.code).toBe(ErrorCode.RAW_REFUSED);
  expect(world.server(0).rawReplies.get(own)?.code).toBe(ErrorCode.RAW_REFUSED);
  world.finish();
});

test("a message arrives once, although a line dies under it", () => {
  const world = new World({
    servers: [{ lines: [lineOf(50, 20)] }, { lines: [lineOf(2, 60), lineOf(50, 60)] }],
    expected: TROUBLE,
  }).startAll();
  for (let index = 0; index < 10; index += 1) world.server(0).sendRaw(patternBytes(1, index, 40_000), 1);
  world.advance(60);
  world.line(1).cut();
  world.until(() => world.server(0).rawReplies.size === 10, "all answers", 20_000);
  expect(world.server(1).rawRequestCount).toBeLessThanOrEqual(10);
  world.finish();
});

test("datagrams arrive whole or not at all", () => {
  const world = twoServers();
  for (let index = 0; index < 50; index += 1) {
    world.client.session.sendDatagram(world.now, patternBytes(5, 0, 1 + index * 200));
    world.server(0).endpoint?.session.sendDatagram(world.now, patternBytes(6, 0, 1 + index * 100));
  }
  world.client.endpoint.wake();
  world.server(0).endpoint?.wake();
  world.advance(200);
  // Small ones travel by themselves and may overtake.
  const lengths = world.server(0).datagrams.map((data) => data.length);
  expect(lengths.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => 1 + index * 200));
  expect(world.client.datagrams.length).toBe(50);
  world.finish();
});

// spec: DGRAM-2
test("a copy on every path: what one line loses another brings, and nothing comes twice", () => {
  const lossy = (roundTripMs: number) => lineOf(50, roundTripMs, { datagramLossRate: 0.3 });
  const counts = (["best", "all"] as const).map((over) => {
    const world = new World({ servers: [{ lines: [lossy(20), lossy(30), lossy(40)] }] }).startAll();
    for (let index = 0; index < 500; index += 1) {
      world.client.session.sendDatagram(world.now, patternBytes(index, 0, 100), over);
      world.client.endpoint.wake();
      world.advance(1);
    }
    world.advance(200);
    const got = world.server(0).datagrams;
    world.finish();
    expect(new Set(got.map((data) => Buffer.from(data).toString("hex"))).size).toBe(got.length);
    return got.length;
  });
  const [best = 0, all = 0] = counts;
  expect(best).toBeGreaterThan(500 * 0.6);
  expect(best).toBeLessThan(500 * 0.8);
  // 0.3 ** 3 of them are lost on all three lines.
  expect(all).toBeGreaterThan(500 * 0.94);
});
