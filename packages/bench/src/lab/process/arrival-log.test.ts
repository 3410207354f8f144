import { expect, test } from "vitest";
import { ArrivalLog, patternAt } from "./arrival-log.ts";

test("remembers the longest gap, where it began, and when the last twentieth began", () => {
  const log = new ArrivalLog(1000);
  log.push(patternAt(0, 500), 100);
  log.push(patternAt(500, 400), 130);
  log.push(patternAt(900, 60), 330);
  log.push(patternAt(960, 40), 340);
  expect(log.summary()).toEqual({
    bytes: 1000,
    firstAt: 100,
    lastAt: 340,
    longestGapMs: 200,
    gapAt: 130,
    lastTwentiethAt: 330,
    wrongBytes: 0,
  });
});

test("counts bytes that are at a wrong place", () => {
  const log = new ArrivalLog(300_000);
  log.push(patternAt(0, 100_000), 1);
  log.push(patternAt(100_001, 1000), 2);
  expect(log.summary().wrongBytes).toBe(1000);
});

test("compares pieces that are larger than the pattern", () => {
  const whole = Buffer.concat([patternAt(0, 200_000), patternAt(200_000, 200_000)]);
  const log = new ArrivalLog(400_000);
  log.push(whole, 1);
  expect(log.summary().wrongBytes).toBe(0);
});
