import { ErrorCode } from "@kwik/proto";
import { lineOf, World, type IncidentKind, type SimStream } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;
const LEAVING: IncidentKind[] = ["redial", "resent"];

/** Servers with one line each; the session uses the first `used` of them. */
function worldOf(servers: number, used: number, expected: IncidentKind[] = LEAVING): World {
  const one = { lines: [lineOf(50, 20)], diskMs: 1 };
  const world = new World({ servers: Array.from({ length: servers }, () => one), limits: { graceMs: 30_000 }, expected }).start();
  for (const line of world.lines.slice(1, used)) expect(world.addPath(0, line.index).code).toBe(0);
  world.advance(50);
  return world;
}

function offer(world: World, bytes: number): SimStream {
  const stream = world.openFrom(0, "unidirectional");
  world.server(0).sendContent(stream, world.content("film", bytes), true);
  return stream;
}

// spec: DRAIN-2, DRAIN-3, DRAIN-4, PRIMARY-2
test("a download goes over to the replacement of its only server without a gap, and the server is free as soon as it is done with", () => {
  const world = worldOf(2, 1);
  const film = offer(world, 48 * MiB);
  world.until(() => (film.down?.readOffset ?? 0) > 8 * MiB, "a part of it");
  const before = film.down?.longestGapMs ?? 0;
  world.server(0).drain(60_000, [world.line(1).address]);
  world.until(() => world.client.session.state.primary === 2, "the replacement is primary");
  // Long before its time is over, and before the film is: others bring that to its end.
  world.until(() => !world.server(0).isRunning, "it has left", 10_000);
  expect(film.down?.outcome).toBeUndefined();
  world.until(() => film.down?.outcome !== undefined, "the film");
  expect(film.down?.isFinished).toBe(true);
  expect(film.down?.longestGapMs).toBeLessThan(Math.max(before, 100));
  expect(world.server(1).shelf.readBytes).toBeGreaterThan(16 * MiB);
  world.finish();
  expect(world.client.endpoint.ended?.code).toBe(ErrorCode.NO_ERROR);
});

// spec: DRAIN-3
test("a server that leaves is asked for nothing more once another delivers, and what was asked of it comes", () => {
  const world = worldOf(3, 3);
  const film = offer(world, 96 * MiB);
  world.until(() => (film.down?.readOffset ?? 0) > 16 * MiB, "a part of it");
  world.server(2).drain(60_000, []);
  world.advance(60);
  const read = world.server(2).shelf.readBytes;
  world.until(() => film.down?.outcome !== undefined, "the film");
  expect(film.down?.isFinished).toBe(true);
  // What the client had asked for is all that it still read.
  expect(world.server(2).shelf.readBytes - read).toBeLessThan(3 * MiB);
  expect(world.client.session.state.primary).toBe(1);
  expect(world.client.session.content.duplicateBytes).toBeLessThan(MiB);
  world.until(() => world.server(2).endpoint === undefined, "it has left", 10_000);
  world.finish();
});

// spec: DRAIN-4, DRAIN-5
test("streams that live at a server that leaves end in their time, and those that do not are lost with it", () => {
  const world = worldOf(2, 1, [...LEAVING, "stream-failed", "path-dead", "path-failed"]);
  const [short, endless] = [world.open(), world.open()];
  for (const stream of [short, endless]) {
    stream.write("client", 1_000);
    stream.write("server", 6 * MiB);
  }
  world.advance(200);
  world.server(0).drain(5_000, [world.line(1).address]);
  for (const side of ["client", "server"] as const) short.finish(side);
  world.until(() => short.down?.isFinished === true, "the short one");
  expect(world.server(0).endpoint?.ended).toBeUndefined();
  world.until(() => endless.down?.outcome !== undefined, "the other one", 10_000);
  expect(endless.down?.outcome).toEqual({ kind: "failed", code: ErrorCode.HOME_LOST });
  expect(world.client.endpoint.ended).toBeUndefined();
  const next = world.open("bidirectional", 2);
  next.write("client", MiB);
  for (const side of ["client", "server"] as const) next.finish(side);
  world.finish();
});

// spec: DRAIN-1, DRAIN-5
test("a line that breaks while the server leaves is made again, and its streams go on", () => {
  const world = worldOf(2, 1, [...LEAVING, "path-dead", "suspended", "resumed", "path-degraded", "path-recovered"]);
  const stream = world.open();
  stream.write("client", 6 * MiB);
  stream.write("server", 6 * MiB);
  world.advance(300);
  world.server(0).drain(20_000, []);
  world.advance(50);
  world.line(0).cut();
  for (const side of ["client", "server"] as const) stream.finish(side);
  world.until(() => stream.down?.outcome !== undefined && stream.up?.outcome !== undefined, "all of it", 15_000);
  expect([stream.down?.isFinished, stream.up?.isFinished]).toEqual([true, true]);
});

// spec: DRAIN-1, DRAIN-5
test("a server that leaves without naming another ends its session with GOING_AWAY when its time is over", () => {
  const world = worldOf(1, 1, [...LEAVING, "stream-failed", "suspended"]);
  const stream = world.open();
  stream.write("client", 1_000);
  world.advance(100);
  world.server(0).drain(2_000, []);
  world.until(() => world.client.endpoint.ended !== undefined, "the end", 10_000);
  expect(world.client.endpoint.ended?.code).toBe(ErrorCode.GOING_AWAY);
});

// spec: DRAIN-2, DRAIN-5
test("servers that leave one after the other, each to the next, pass a session on", () => {
  const world = worldOf(4, 1);
  const film = offer(world, 96 * MiB);
  for (const [index, server] of world.servers.slice(0, 3).entries()) {
    const start = film.down?.readOffset ?? 0;
    world.until(() => (film.down?.readOffset ?? 0) > start + 8 * MiB, "a part of it");
    server.drain(30_000, [world.line(index + 1).address]);
    world.until(() => world.client.session.state.primary === index + 2, "the next is primary");
  }
  world.until(() => film.down?.outcome !== undefined, "the film");
  expect(film.down?.isFinished).toBe(true);
  expect(film.down?.longestGapMs).toBeLessThan(100);
  world.finish();
});
