import fc from "fast-check";
import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { AckTracker } from "./ack-tracker.ts";

const DELAY = DEFAULT_LIMITS.maxAckDelayMs;

// spec: ACK-2
test("an acknowledgement is due after two packets, or after the delay", () => {
  const acks = new AckTracker(DEFAULT_LIMITS);
  expect(acks.dueAt).toBeUndefined();
  acks.received(0, true, 100);
  expect(acks.dueAt).toBe(100 + DELAY);
  acks.received(1, true, 101);
  expect(acks.dueAt).toBe(101);
  expect(acks.build(103, 7)).toEqual({ pathId: 7, largest: 1, delayMicros: 2000, ranges: [0, 1] });
  expect(acks.dueAt).toBeUndefined();
});

// spec: WIRE-8
test("packets that elicit no acknowledgement make none due, but are reported", () => {
  const acks = new AckTracker(DEFAULT_LIMITS);
  for (let n = 0; n < 10; n += 1) acks.received(n, false, n);
  expect(acks.dueAt).toBeUndefined();
  acks.requestImmediate();
  expect(acks.build(10, 0)?.ranges).toEqual([0, 9]);
});

// spec: ACK-2
test("a gap does not hurry: carriers overtake each other", () => {
  const acks = new AckTracker(DEFAULT_LIMITS);
  acks.received(5, true, 0);
  expect(acks.dueAt).toBe(DELAY);
});

test("nothing received, nothing to say", () => {
  const acks = new AckTracker(DEFAULT_LIMITS);
  acks.requestImmediate();
  expect(acks.build(0, 0)).toBeUndefined();
  expect(acks.dueAt).toBeUndefined();
});

test("a repeated number is a duplicate", () => {
  const acks = new AckTracker(DEFAULT_LIMITS);
  expect(acks.received(4, true, 0)).toBe("new");
  expect(acks.received(4, true, 0)).toBe("duplicate");
  expect(acks.received(3, true, 0)).toBe("new");
});

test("in whatever order packets come, each is reported, none that did not come, in at most 64 ranges at a time", () => {
  const order = fc.shuffledSubarray(
    Array.from({ length: 300 }, (_, n) => n),
    { minLength: 150 },
  );
  fc.assert(
    fc.property(order, fc.integer({ min: 5, max: 150 }), (numbers, batch) => {
      const acks = new AckTracker(DEFAULT_LIMITS);
      const reported = new Set<number>();
      const came = new Set<number>();
      const drain = (): void => {
        while (acks.dueAt !== undefined) {
          const ack = acks.build(1, 0);
          const ranges = ack?.ranges ?? [];
          expect(ranges.length).toBeLessThanOrEqual(128);
          expect(ack?.largest).toBe(ranges[1]);
          for (let i = 0; i < ranges.length; i += 2) {
            if (i > 0) expect((ranges[i + 1] as number) + 1).toBeLessThan(ranges[i - 2] as number);
            for (let n = ranges[i] as number; n <= (ranges[i + 1] as number); n += 1) {
              reported.add(n);
            }
          }
        }
        expect(reported).toEqual(came);
      };
      numbers.forEach((number, index) => {
        acks.received(number, true, 0);
        came.add(number);
        if (index % batch === 0) drain();
      });
      drain();
    }),
    { numRuns: 30 },
  );
});

test("with thousands of gaps the lowest are given up, and never acknowledged", () => {
  const acks = new AckTracker(DEFAULT_LIMITS);
  for (let n = 0; n < 10_000; n += 2) acks.received(n, false, 0);
  expect(acks.received(1, true, 0)).toBe("duplicate");
  expect(acks.received(9_997, true, 0)).toBe("new");
  for (let i = 0; i < 100; i += 1) expect(acks.build(0, 0)?.ranges.includes(1)).toBe(false);
});
