import { ErrorCode } from "@kwik/proto";
import { lineOf, World, type IncidentKind } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;
const TROUBLE: IncidentKind[] = ["path-degraded", "path-recovered", "path-dead", "path-failed", "redial", "resent"];
const OUTAGE: IncidentKind[] = [...TROUBLE, "suspended", "resumed"];

function twoLines(expected: IncidentKind[]): World {
  return new World({ servers: [{ lines: [lineOf(50, 20), lineOf(50, 20)] }], expected }).startAll();
}

test("when one of two lines is cut in mid-stream, the rest comes over the other, exactly once", () => {
  const world = twoLines(TROUBLE);
  const stream = world.open();
  stream.write("server", 8 * MiB);
  stream.write("client", 2 * MiB);
  stream.finish("server");
  stream.finish("client");
  world.until(() => (stream.down?.readOffset ?? 0) > 2 * MiB, "a part of it");
  world.line(0).cut();
  world.finish();
  expect(world.incidents.ofKind("path-dead").length).toBe(2);
});

for (const direction of ["up", "down", "both"] as const) {
  test(`a black hole ${direction} on one of two lines is noticed and gone around`, () => {
    const world = twoLines(TROUBLE);
    const stream = world.open();
    stream.write("server", 8 * MiB);
    stream.write("client", 8 * MiB);
    stream.finish("server");
    stream.finish("client");
    world.until(() => (stream.down?.readOffset ?? 0) > 2 * MiB && (stream.up?.readOffset ?? 0) > 1 * MiB, "a part of it");
    world.line(1).blackhole(direction);
    world.until(() => stream.down?.isFinished === true && stream.up?.isFinished === true, "everything arrived", 20_000);
    world.line(1).heal();
    world.finish();
    expect(Math.max(stream.down?.longestGapMs ?? 0, stream.up?.longestGapMs ?? 0)).toBeLessThan(1_000);
  });

  test(`a short black hole ${direction} on the only line is only a pause`, () => {
    const world = new World({ servers: [{ lines: [lineOf(50, 20)] }], expected: OUTAGE }).start();
    const stream = world.open();
    stream.write("server", 6 * MiB);
    stream.write("client", 6 * MiB);
    stream.finish("server");
    stream.finish("client");
    world.until(() => (stream.down?.readOffset ?? 0) > 1 * MiB, "a part of it");
    world.line(0).blackhole(direction);
    world.advance(800);
    world.line(0).heal();
    world.finish();
    expect(world.incidents.ofKind("path-dead")).toEqual([]);
  });

  test(`a long black hole ${direction} on the only line suspends the session, and it resumes without loss`, () => {
    const world = new World({ servers: [{ lines: [lineOf(50, 20)] }], expected: OUTAGE }).start();
    const stream = world.open();
    stream.write("server", 6 * MiB);
    stream.write("client", 6 * MiB);
    stream.finish("server");
    stream.finish("client");
    world.until(() => (stream.down?.readOffset ?? 0) > 1 * MiB, "a part of it");
    world.line(0).blackhole(direction);
    world.advance(8_000);
    expect(world.client.session.lifecycle.isSuspended).toBe(true);
    world.line(0).heal();
    world.finish();
    expect(world.incidents.ofKind("resumed").length).toBeGreaterThan(0);
  });
}

test("beyond the grace time a session without paths ends with NO_PATHS", () => {
  const world = new World({
    servers: [{ lines: [lineOf(50, 20)] }],
    limits: { graceMs: 3_000 },
    expected: [...OUTAGE, "stream-failed"],
  }).start();
  const stream = world.open();
  stream.write("server", 6 * MiB);
  world.advance(300);
  world.line(0).blackhole("both");
  world.until(() => world.client.endpoint.ended !== undefined, "the end", 20_000);
  expect(world.client.endpoint.ended?.code).toBe(ErrorCode.NO_PATHS);
  world.until(() => world.server(0).endpoint?.ended !== undefined, "the end at the server", 20_000);
  expect(stream.down?.outcome?.kind).toMatch(/failed|session-ended/);
});

test("a primary that is killed takes its streams with it, and those of others go on", () => {
  const world = new World({
    servers: [{ lines: [lineOf(50, 20)] }, { lines: [lineOf(50, 20)] }],
    limits: { graceMs: 4_000 },
    expected: [...TROUBLE, "stream-failed"],
  }).startAll();
  const atPrimary = world.open("bidirectional", 1);
  const atSecond = world.open("bidirectional", 2);
  atPrimary.write("server", 8 * MiB);
  atSecond.write("server", 16 * MiB);
  atSecond.finish("server");
  atSecond.finish("client");
  world.advance(400);
  world.server(0).kill();
  world.until(() => atPrimary.down?.outcome !== undefined, "the stream at the primary ends", 20_000);
  expect(atPrimary.down?.outcome).toEqual({ kind: "failed", code: ErrorCode.HOME_LOST });
  world.until(() => atSecond.down?.isFinished === true, "the stream at the second server is whole");
  const later = world.open("bidirectional", 2);
  later.write("server", MiB);
  later.finish("server");
  later.finish("client");
  world.finish();
});

test("a server that was restarted has lost its streams, and a new member takes its place", () => {
  const world = new World({
    servers: [{ lines: [lineOf(50, 20)] }, { lines: [lineOf(50, 20)] }],
    expected: [...TROUBLE, "stream-failed"],
  }).startAll();
  const stream = world.open("bidirectional", 2);
  stream.write("server", 8 * MiB);
  const other = world.open("bidirectional", 1);
  other.write("server", 4 * MiB);
  other.finish("server");
  other.finish("client");
  world.advance(400);
  world.server(1).restart();
  world.until(() => stream.down?.outcome !== undefined, "the stream at the restarted server ends", 20_000);
  expect(stream.down?.outcome).toEqual({ kind: "failed", code: ErrorCode.HOME_LOST });
  world.until(() => other.down?.isFinished === true, "the other one is whole");
  world.until(() => world.client.session.state.paths.active().length === 2, "the server is back", 20_000);
  const again = world.open("bidirectional", 3);
  again.write("server", MiB);
  again.finish("server");
  again.finish("client");
  world.finish();
});
