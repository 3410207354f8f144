import { ErrorCode } from "@kwik/proto";
import { lineOf, memoryUse, patternBytes, World, type IncidentKind, type SimStream } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;
const TROUBLE: IncidentKind[] = ["path-degraded", "path-recovered", "path-dead", "path-failed", "redial", "resent", "suspended", "resumed"];
const LOSSES: IncidentKind[] = [...TROUBLE, "stream-failed"];

/** Servers with one line each; the first is the primary. */
function worldOf(servers: number, graceMs: number, expected = TROUBLE, serverGraceMs = graceMs): World {
  const one = { lines: [lineOf(50, 20)], diskMs: 1 };
  return new World({
    servers: Array.from({ length: servers }, () => one),
    limits: { graceMs },
    serverLimits: { graceMs: serverGraceMs },
    expected,
  }).startAll();
}

function blackholeAll(world: World): void {
  for (const line of world.lines) line.blackhole("both");
}

function healAll(world: World): void {
  for (const line of world.lines) line.heal();
}

function readBytes(stream: SimStream): number {
  return stream.down?.readOffset ?? 0;
}

function offer(world: World, bytes: number): SimStream {
  const stream = world.openFrom(0, "unidirectional");
  world.server(0).sendContent(stream, world.content("film", bytes), true);
  return stream;
}

// spec: RESUME-1, RESUME-2, RESUME-5, RAW-2, DGRAM-1
test("after an outage of every line everything goes on where it was: streams, a content, raw messages; only datagrams are lost", () => {
  const world = worldOf(2, 30_000);
  const film = offer(world, 24 * MiB);
  const both = world.open("bidirectional", 1);
  both.write("server", 6 * MiB);
  both.write("client", 6 * MiB);
  const other = world.open("bidirectional", 2);
  other.write("client", 100);
  other.write("server", 6 * MiB);
  world.until(() => readBytes(film) > 2 * MiB && readBytes(other) > MiB, "a part of it");
  const before = world.server(1).rawRequestCount;
  for (let count = 0; count < 20; count += 1) world.server(0).sendRaw(patternBytes(3, count, 5_000), 1);
  world.advance(11);
  world.client.session.sendDatagram(world.now, patternBytes(4, 0, 500));
  world.client.endpoint.wake();
  blackholeAll(world);
  world.advance(12_000);
  expect(world.client.session.lifecycle.isSuspended).toBe(true);
  // What applications do meanwhile waits.
  both.write("client", 100_000);
  const later = world.open("bidirectional", 2);
  later.write("client", 100_000);
  world.client.session.sendDatagram(world.client.endpoint.now, patternBytes(4, 0, 500));
  world.advance(2_000);
  healAll(world);
  for (const stream of [both, other, later]) for (const side of ["client", "server"] as const) stream.finish(side);
  world.finish();
  expect(film.down?.isFinished).toBe(true);
  // Each raw message was done once or not at all, and whoever sent it knows when it may not have been.
  const replies = [...world.server(0).rawReplies.values()];
  expect(replies).toHaveLength(20);
  expect(new Set(replies.map((reply) => reply.code))).toEqual(
    new Set([ErrorCode.NO_ERROR, ErrorCode.PATH_DEAD].filter((code) => replies.some((one) => one.code === code))),
  );
  const done = world.server(1).rawRequestCount - before;
  expect(done).toBeGreaterThanOrEqual(replies.filter((reply) => reply.code === 0).length);
  expect(done).toBeLessThanOrEqual(20);
  expect(world.server(0).datagrams.length).toBeLessThanOrEqual(1);
});

// spec: RESUME-1
test("whoever writes without end into a suspended session is held by its credit, on both sides, and all of it arrives afterwards", () => {
  const world = worldOf(1, 30_000);
  const streams = Array.from({ length: 4 }, () => world.open());
  for (const stream of streams) stream.write("client", 100);
  world.advance(100);
  blackholeAll(world);
  world.advance(3_000);
  for (const stream of streams) {
    stream.write("client", 20 * MiB);
    stream.write("server", 20 * MiB);
  }
  world.advance(10_000);
  const server = world.server(0).endpoint;
  for (const session of [world.client.session, server?.session]) {
    if (session === undefined) throw new Error("no session");
    let credit = 0;
    for (const { sender } of session.state.streams.values())
      if (sender !== undefined) credit += sender.stream.maxOffset - sender.stream.sentOffset;
    const held = memoryUse(session).sendBytes;
    // All that the streams' credit allows, and one write's worth more for each.
    expect(held).toBeGreaterThanOrEqual(credit);
    expect(held).toBeLessThanOrEqual(credit + 4 * 64 * 1024);
  }
  healAll(world);
  for (const stream of streams) for (const side of ["client", "server"] as const) stream.finish(side);
  world.finish();
  expect(streams.every((stream) => stream.down?.isFinished === true && stream.up?.isFinished === true)).toBe(true);
});

for (const [who, kind, ms] of [
  ["client", "stopped", 6_000],
  ["client", "asleep", 6_000],
  ["server", "stopped", 6_000],
  ["server", "asleep", 6_000],
  ["client", "asleep", 25_000],
  ["server", "stopped", 25_000],
] as const) {
  // spec: RESUME-3, RESUME-5
  test(`a ${who} that is ${kind} for ${ms / 1000} s in mid-transfer loses nothing`, () => {
    const world = worldOf(1, 30_000);
    const stream = world.open();
    stream.write("server", 8 * MiB);
    stream.write("client", 8 * MiB);
    for (const side of ["client", "server"] as const) stream.finish(side);
    world.until(() => readBytes(stream) > MiB, "a part of it");
    const node = who === "client" ? world.client : world.server(0);
    node.clock.freeze(ms, kind);
    world.advance(ms);
    world.finish();
    expect([stream.down?.isFinished, stream.up?.isFinished]).toEqual([true, true]);
  });
}

// spec: RESUME-2, RESUME-3, RESUME-6
test("a client that slept for an hour is a stranger to its servers, and its download goes on with them all the same", () => {
  const world = worldOf(2, 10_000, LOSSES);
  const film = offer(world, 24 * MiB);
  const lost = world.open();
  lost.write("client", 100);
  lost.write("server", 24 * MiB);
  world.until(() => readBytes(film) > 2 * MiB, "a part of it");
  world.client.clock.freeze(3_600_000, "asleep");
  world.advance(3_600_000);
  for (const server of world.servers) expect(server.endpoint?.ended?.code).toBe(ErrorCode.NO_PATHS);
  world.until(() => film.down?.outcome !== undefined, "the film");
  expect(film.down?.isFinished).toBe(true);
  expect(lost.down?.outcome).toEqual({ kind: "failed", code: ErrorCode.HOME_LOST });
  world.finish();
});

// spec: RESUME-2, RESUME-6, CONTENT-5
test("when every server was killed and started again, a download goes on in the same session, with what they have", () => {
  const world = worldOf(3, 10_000, LOSSES);
  const film = offer(world, 24 * MiB);
  world.until(() => readBytes(film) > 2 * MiB, "a part of it");
  for (const server of world.servers) server.kill();
  world.advance(5_000);
  for (const server of world.servers) server.restart();
  world.until(() => film.down?.outcome !== undefined, "the film");
  expect(film.down?.isFinished).toBe(true);
  expect(world.client.endpoint.ended).toBeUndefined();
  for (const server of world.servers) expect(server.shelf.readBytes).toBeGreaterThan(MiB);
  world.finish();
});

// spec: PRIMARY-1, PRIMARY-2, PRIMARY-3, PRIMARY-4
test("after the primary is gone for good another one brings servers in, and the first one is a server like any when it is back", () => {
  const world = worldOf(3, 4_000, LOSSES);
  const film = offer(world, 48 * MiB);
  world.until(() => readBytes(film) > 4 * MiB, "a part of it");
  world.server(0).kill();
  world.until(() => world.client.session.state.primary === 2, "another primary", 20_000);
  world.until(
    () => world.server(1).endpoint?.session.state.primary === 2 && world.server(2).endpoint?.session.state.primary === 2,
    "they hear of it",
  );
  world.server(0).restart();
  world.until(() => world.client.session.state.peers.get(4)?.isKnown === true, "the first is back", 20_000);
  expect(world.client.session.state.peers.get(4)?.vouchedBy).toBe(2);
  expect(world.client.session.state.primary).toBe(2);
  const result = world.addPath(1, 2);
  expect(result.code).toBe(0);
  world.until(() => film.down?.outcome !== undefined, "the film");
  expect(film.down?.isFinished).toBe(true);
  const fresh = world.openFrom(1);
  fresh.write("server", MiB);
  for (const side of ["client", "server"] as const) fresh.finish(side);
  world.finish();
});

// spec: RESUME-7
test("a client that gave a server up sooner than this did is taken as a new member, and what the server kept ends", () => {
  const world = worldOf(2, 3_000, LOSSES, 60_000);
  const lost = world.open("bidirectional", 2);
  lost.write("client", 100);
  lost.write("server", 24 * MiB);
  world.until(() => readBytes(lost) > MiB, "a part of it");
  const old = world.server(1).endpoint;
  world.line(1).blackhole("both");
  world.until(() => lost.down?.outcome !== undefined, "it is given up", 20_000);
  world.line(1).heal();
  world.until(() => world.client.session.state.peers.get(3)?.isKnown === true, "it is back as a new member", 20_000);
  expect(old?.ended?.code).toBe(ErrorCode.NO_PATHS);
  const again = world.open("bidirectional", 3);
  again.write("client", 100);
  again.write("server", MiB);
  for (const side of ["client", "server"] as const) again.finish(side);
  world.finish();
});
