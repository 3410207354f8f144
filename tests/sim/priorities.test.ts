import { lineOf, World } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;

/** What of each stream arrives in two seconds over a line of 20 Mbit/s with more to send than it carries, after a first second that has filled it. */
function shared(direction: "up" | "down", ...priorities: readonly number[]): number[] {
  const world = new World({ servers: [{ lines: [lineOf(20, 40)] }] }).start();
  const streams = priorities.map((priority) => {
    const stream = world.open("bidirectional", 1, priority);
    stream.write(direction === "up" ? "client" : "server", 8 * MiB);
    return stream;
  });
  const arrived = (): number[] => streams.map((stream) => stream[direction]?.readOffset ?? 0);
  world.advance(1_000);
  const before = arrived();
  world.advance(2_000);
  const got = arrived().map((bytes, index) => bytes - (before[index] ?? 0));
  for (const stream of streams) for (const side of ["client", "server"] as const) stream.finish(side);
  world.finish();
  return got;
}

// spec: STREAM-9
test.each(["up", "down"] as const)("a stream of higher priority has fifteen of sixteen parts of a full line, %s", (direction) => {
  const [low, high] = shared(direction, 64, 192) as [number, number];
  expect(low + high).toBeGreaterThan(3.5 * MiB);
  expect(high / low).toBeGreaterThan(8);
  expect(low).toBeGreaterThan(0);
});

// spec: STREAM-9
test("streams of one priority share a full line evenly", () => {
  const [first, second] = shared("up", 128, 128) as [number, number];
  expect(Math.max(first, second) / Math.min(first, second)).toBeLessThan(1.2);
});
