import { lineOf, World, type Flow, type IncidentKind, type LineShape } from "@kwik/testkit";
import { expect, test } from "vitest";
import { seedsFor } from "./seeds.ts";

const MiB = 1024 * 1024;
const EASY: IncidentKind[] = ["path-degraded", "path-recovered", "resent", "source-slow"];
const BYTES = 64 * MiB;

/** How long the last twentieth of the bytes took, against a twentieth of the whole time. */
function tailOf(world: World, flow: Flow): number {
  const start = world.now;
  world.until(() => flow.readOffset >= 0.95 * BYTES, "all but the tail", 120_000);
  const tailStart = world.now;
  world.until(() => flow.isFinished, "the tail");
  return (world.now - tailStart) / (0.05 * (world.now - start));
}

const FAST = lineOf(100, 20);
const SOURCES: [string, LineShape[]][] = [
  ["the last of three sources", [FAST, FAST, lineOf(5, 20)]],
  ["the second of three sources, and far", [FAST, lineOf(5, 150), FAST]],
  ["the home of three sources", [lineOf(5, 20), FAST, FAST]],
  ["one of two sources", [FAST, lineOf(5, 20)]],
  ["one of four sources, lossy and with jitter", [FAST, FAST, FAST, lineOf(5, 60, { lossRate: 0.01, jitterMs: 10 })]],
];
for (const [which, lines] of SOURCES) {
  test(`twenty times slower is ${which}: the last 5 % take at most 1.2 of their share, and at most 2 % is asked for twice`, () => {
    for (const seed of seedsFor(lines)) {
      const servers = lines.map((line) => ({ lines: [line], diskMs: 1 }));
      const world = new World({ seed, servers, expected: EASY, checkEvery: 256 }).startAll();
      const stream = world.openFrom(0, "unidirectional");
      world.server(0).sendContent(stream, world.content("film", BYTES), true);
      expect(tailOf(world, stream.down as Flow), `seed ${seed}`).toBeLessThanOrEqual(1.2);
      const asked = world.servers.reduce((sum, server) => sum + server.shelf.readBytes, 0);
      expect(asked / BYTES, `seed ${seed}`).toBeLessThanOrEqual(1.02);
    }
  });
}

// spec: PATH-13
for (const side of ["server", "client"] as const) {
  test(`one stream from the ${side} beside a line twenty times slower: the same tail, and at most 2 % goes out twice`, () => {
    const world = new World({ servers: [{ lines: [FAST, lineOf(5, 20)] }], expected: EASY, checkEvery: 256 }).startAll();
    const stream = side === "client" ? world.open("unidirectional") : world.openFrom(0, "unidirectional");
    const flow = stream.flowFrom(side) as Flow;
    stream.write(side, BYTES);
    stream.finish(side);
    expect(tailOf(world, flow)).toBeLessThanOrEqual(1.2);
    const sender = side === "client" ? world.client.session.state.peerOf(1) : world.server(0).endpoint?.session.state.peerOf(0);
    expect((sender?.resentBytes ?? BYTES) / BYTES).toBeLessThanOrEqual(0.02);
  });
}
