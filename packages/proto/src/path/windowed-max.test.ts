import fc from "fast-check";
import { expect, test } from "vitest";
import { WindowedMax } from "./windowed-max.ts";

test("never answers more than was seen, nor less than the newest value, and forgets what is older than two windows", () => {
  const step = fc.record({ after: fc.integer({ min: 0, max: 40 }), value: fc.integer({ min: 1, max: 100 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 80 }), (steps) => {
      const max = new WindowedMax();
      const seen: { at: number; value: number }[] = [];
      let now = 0;
      for (const { after, value } of steps) {
        now += after;
        seen.push({ at: now, value });
        max.update(value, 50, now);
        const recent = seen.filter((entry) => now - entry.at <= 100).map((entry) => entry.value);
        expect(max.value).toBeGreaterThanOrEqual(value);
        expect(max.value).toBeLessThanOrEqual(Math.max(...recent));
      }
    }),
  );
});

test("keeps the best value while it is in the window and takes a lower one after it", () => {
  const max = new WindowedMax();
  for (let now = 0; now <= 100; now += 10) max.update(now === 20 ? 9 : 5, 100, now);
  expect(max.value).toBe(9);
  for (let now = 110; now <= 200; now += 10) max.update(5, 100, now);
  expect(max.value).toBe(5);
});
