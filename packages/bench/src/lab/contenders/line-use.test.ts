import { expect, test } from "vitest";
import type { CounterSample } from "../roles/counter.ts";
import { idleLines, lineUse, recoveryMs } from "./line-use.ts";

const [fast, slow] = [{ megabitsPerSecond: 80 }, { megabitsPerSecond: 8 }];

/** A sample each 20 ms, from the bytes that arrived in each step. */
function arriving(...steps: readonly (readonly [number, number])[]): CounterSample[] {
  let [first, second] = [1000, 500];
  return [[0, 0] as const, ...steps].map(([one, two], index) => {
    first += one;
    second += two;
    return { atMs: index * 20, received: [first, second], sent: [0, 0] };
  });
}

test("counts bytes by line and finds the longest time in which nothing came", () => {
  const use = lineUse(arriving([5000, 0], [0, 0], [100, 0], [5000, 2000], [5000, 2000]), "down");
  expect(use.bytes).toEqual([15_100, 4000]);
  expect(use.longestGapMs).toBe(60);
});

test("flags a line that carried less than a twentieth of its share", () => {
  expect(idleLines([fast, slow], [1_000_000, 100_000])).toEqual([]);
  expect(idleLines([fast, slow], [1_000_000, 4000])).toEqual(["line 2 idle"]);
});

test("says when a line carries data again, once it does so for a while", () => {
  // A quarter of 8 Mbit/s is 50 kB in 200 ms, 5 kB in each step.
  const steps = Array.from({ length: 40 }, (_, index): [number, number] => [0, index < 15 ? 0 : 6000]);
  const samples = arriving(...steps);
  expect(recoveryMs(samples, "down", 1, slow, 100)).toBe(380);
  expect(recoveryMs(samples, "down", 0, fast, 100)).toBeUndefined();
});
