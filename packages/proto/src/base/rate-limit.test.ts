import fc from "fast-check";
import { expect, test } from "vitest";
import { RateLimit } from "./rate-limit.ts";

test("never lets more through than the burst and the rate, and nothing less than that", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 500 }),
      fc.array(fc.nat(300), { minLength: 1, maxLength: 200 }),
      (burst, perSecond, gaps) => {
        const limit = new RateLimit({ perSecond, burst });
        // What a bucket of water would say: so many drops, filled at the rate.
        let drops = burst;
        let now = 1_000;
        for (const gap of gaps) {
          now += gap;
          drops = Math.min(burst, drops + (gap * perSecond) / 1000);
          const wait = limit.take(now);
          if (Math.abs(drops - 1) < 1e-6) return; // either answer is right
          expect(wait === undefined).toBe(drops >= 1);
          if (wait === undefined) drops -= 1;
          else expect(wait).toBeCloseTo(((1 - drops) * 1000) / perSecond, -1);
        }
      },
    ),
  );
});

test("after the time that it told to wait, it lets one through", () => {
  const limit = new RateLimit({ perSecond: 3, burst: 1 });
  expect(limit.take(0)).toBeUndefined();
  const wait = limit.take(0) ?? 0;
  expect(wait).toBe(334);
  expect(limit.take(wait - 2)).toBe(2);
  expect(limit.take(wait)).toBeUndefined();
});

test("what is given back counts as not taken", () => {
  const limit = new RateLimit({ perSecond: 1, burst: 2 });
  expect([limit.take(0), limit.take(0)]).toEqual([undefined, undefined]);
  limit.giveBack();
  expect(limit.take(0)).toBeUndefined();
  expect(limit.take(0)).toBe(1000);
});

test("no rate lets nothing through, an infinite one everything", () => {
  expect(new RateLimit({ perSecond: 0, burst: 5 }).take(0)).toBe(3_600_000);
  const open = new RateLimit({ perSecond: Number.POSITIVE_INFINITY, burst: 1 });
  for (let i = 0; i < 10_000; i += 1) expect(open.take(5)).toBeUndefined();
});
