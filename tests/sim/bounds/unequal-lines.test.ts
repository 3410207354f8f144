import { lineOf, World, type Flow, type IncidentKind, type LineShape, type Side } from "@kwik/testkit";
import { expect, test } from "vitest";
import { seedsFor } from "./seeds.ts";

const MiB = 1024 * 1024;
const EASY: IncidentKind[] = ["path-degraded", "path-recovered", "resent", "source-slow"];

/** All lines lead to one server, and one stream goes up or down; or each leads to a server of its own, and they give one content. */
type Way = Side | "content";
const WAYS: readonly Way[] = ["server", "client", "content"];
const WORDS: Readonly<Record<Way, string>> = { server: "one stream down", client: "one stream up", content: "one content" };

function begin(lines: readonly LineShape[], way: Way, bytes: number, seed = 1): { readonly world: World; readonly flow: Flow } {
  const servers = way === "content" ? lines.map((line) => ({ lines: [line], diskMs: 1 })) : [{ lines }];
  const world = new World({ seed, servers, expected: EASY, checkEvery: 256 }).startAll();
  const stream = way === "client" ? world.open("unidirectional") : world.openFrom(0, "unidirectional");
  if (way === "content") {
    world.server(0).sendContent(stream, world.content("film", bytes), true);
    return { world, flow: stream.down as Flow };
  }
  stream.write(way, bytes);
  stream.finish(way);
  return { world, flow: stream.flowFrom(way) as Flow };
}

function sumOf(lines: readonly LineShape[]): number {
  return lines.reduce((sum, line) => sum + line.up.rateBytesPerMs, 0);
}

/** Bytes per millisecond that came in order from `from` on, for `span` milliseconds. */
function goodput(lines: readonly LineShape[], way: Way, from: number, span: number, seed = 1): number {
  const { world, flow } = begin(lines, way, Math.ceil(sumOf(lines) * (from + span) * 1.1), seed);
  world.advance(from);
  const before = flow.readOffset;
  world.advance(span);
  return (flow.readOffset - before) / span;
}

const LONG_LOSSY = lineOf(30, 40, { jitterMs: 8, lossRate: 0.005 });
for (const way of WAYS) {
  test(`10, 50 and 100 Mbit/s, ${WORDS[way]}: 95 % of their sum`, () => {
    expect(goodput([lineOf(10, 30), lineOf(50, 20), lineOf(100, 20)], way, 1_500, 3_000)).toBeGreaterThan(0.95 * 160 * 125);
  });

  test(`300 Mbit/s 10 ms and 80 Mbit/s 30 ms, ${WORDS[way]}: 90 % of their sum`, () => {
    expect(goodput([lineOf(300, 10), lineOf(80, 30)], way, 750, 1_000)).toBeGreaterThan(0.9 * 380 * 125);
  });

  test(`300 Mbit/s, and 30 Mbit/s with 40 to 48 ms and 0.5 % loss, ${WORDS[way]}: at least the first alone`, () => {
    const alone = goodput([lineOf(300, 10)], way, 750, 1_000);
    const lines = [lineOf(300, 10), LONG_LOSSY];
    for (const seed of seedsFor(lines)) expect(goodput(lines, way, 750, 1_000, seed), `seed ${seed}`).toBeGreaterThanOrEqual(alone);
  });
}

/** Rate and round trip of both lines, as in the kernel's own acceptance test of several paths. */
for (const [first, second] of [
  [lineOf(10, 2), lineOf(10, 2)],
  [lineOf(10, 2), lineOf(10, 100)],
  [lineOf(30, 2), lineOf(10, 2)],
  [lineOf(30, 2), lineOf(10, 100)],
  [lineOf(30, 100), lineOf(10, 2)],
] as const) {
  const name = [first, second].map(({ up }) => `${up.rateBytesPerMs / 125} Mbit/s ${2 * up.delayMs} ms`).join(" and ");
  test(`a content of 16 MiB over ${name} ends in the kernel's time`, () => {
    const { world, flow } = begin([first, second], "content", 16 * MiB);
    const limit = (16 * MiB) / (0.9 * sumOf([first, second])) + 450;
    expect(world.until(() => flow.isFinished, "the content", 60_000)).toBeLessThanOrEqual(limit);
  });
}

/**
 * In one run, of what the best source brings alone. What is in order at a moment may lack one block of the far source that is late, for up to 250 ms: with seeds 1 to 10 that moment is
 * the end of the window in two of 240 runs, which come to 0.86 and 0.94. A moment later their readers have caught up.
 */
const LEAST_OF_A_RUN = 0.85;

/** Sixteen second lines beside one of 50 Mbit/s and 20 ms. Those of one stream are in throughput.test.ts. */
const BEST = lineOf(50, 20);
for (const [row, ratio] of [1, 2, 5, 10].entries()) {
  for (const [column, fartherMs] of [0, 20, 50, 100].entries()) {
    const lossRate = [0, 0.005, 0.01, 0.02][(row + column) % 4] as number;
    test(`a content is not slower than from the best source alone, in the middle of the seeds: beside one at 1/${ratio} of its rate, ${fartherMs} ms farther, ${lossRate * 100} % lost`, () => {
      const other = lineOf(50 / ratio, 20 + fartherMs, lossRate === 0 ? {} : { lossRate, jitterMs: 10 });
      const alone = goodput([BEST], "content", 1_000, 1_500);
      for (const lines of [
        [BEST, other],
        [other, BEST],
      ]) {
        const shares = seedsFor(lines).map((seed) => goodput(lines, "content", 1_000, 1_500, seed) / alone);
        const sorted = shares.toSorted((a, b) => a - b);
        const all = `of alone, by seed: ${shares.map((share) => share.toFixed(3)).join(" ")}`;
        expect(sorted[(sorted.length - 1) / 2], all).toBeGreaterThanOrEqual(0.98);
        expect(sorted[0], all).toBeGreaterThanOrEqual(LEAST_OF_A_RUN);
      }
    });
  }
}
