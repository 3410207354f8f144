import type { Limits } from "@kwik/proto";
import { lineOf, World, type IncidentKind, type LineShape } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;
const EASY: IncidentKind[] = ["path-degraded", "path-recovered", "resent"];

function fetch(lines: readonly LineShape[], bytes: number, limits: Partial<Limits> = {}): { readonly ms: number; readonly world: World } {
  const world = new World({
    servers: lines.map((line) => ({ lines: [line], diskMs: 1 })),
    expected: EASY,
    checkEvery: 256,
    limits,
  }).startAll();
  const stream = world.openFrom(0, "unidirectional");
  world.server(0).sendContent(stream, world.content("film", bytes), true);
  return { ms: world.until(() => stream.down?.isFinished === true, "the content", 120_000), world };
}

function asked(world: World): number {
  return world.servers.reduce((sum, server) => sum + server.shelf.readBytes, 0);
}

test("a content from three equal servers takes little more than a third of the time from one", () => {
  const line = lineOf(50, 20);
  const { ms, world } = fetch([line, line, line], 48 * MiB);
  expect(ms).toBeLessThanOrEqual((48 * MiB) / (0.9 * 3 * 6_250) + 450);
  expect(asked(world)).toBeLessThanOrEqual(1.02 * 48 * MiB);
});

test("a window of twice the product of all rates and the longest round trip is enough for three sources", () => {
  const lines = [lineOf(50, 20), lineOf(50, 40), lineOf(50, 60)];
  const windowBytes = 2 * 3 * 6_250 * 60;
  const wide = fetch(lines, 64 * MiB);
  const narrow = fetch(lines, 64 * MiB, {
    maxStreamWindowBytes: windowBytes,
    maxSessionWindowBytes: windowBytes,
    maxContentWindowBytes: windowBytes,
  });
  expect(narrow.ms).toBeLessThanOrEqual(wide.ms / 0.98);
});

test("a straggler among the sources does not hold up the end", () => {
  const { ms, world } = fetch([lineOf(50, 20), lineOf(50, 20), lineOf(5, 150)], 32 * MiB);
  expect(ms).toBeLessThanOrEqual((32 * MiB) / (0.9 * 105 * 125) + 450);
  expect(asked(world)).toBeLessThanOrEqual(1.02 * 32 * MiB);
});

test("a source whose line becomes a hundred times slower near the end does not hold it up", () => {
  const world = new World({
    servers: [0, 1].map(() => ({ lines: [lineOf(50, 20)], diskMs: 1 })),
    expected: [...EASY, "path-dead", "path-failed", "redial"],
  }).startAll();
  const stream = world.openFrom(0, "unidirectional");
  world.server(0).sendContent(stream, world.content("film", 24 * MiB), true);
  world.until(() => (stream.down?.readOffset ?? 0) > 21 * MiB, "most of it");
  world.line(1).setRate(62);
  const ms = world.until(() => stream.down?.isFinished === true, "the rest", 60_000);
  expect(ms).toBeLessThanOrEqual(2_000);
});
