import fc from "fast-check";
import { expect, test } from "vitest";
import { BytePacer } from "./byte-pacer.ts";

function pacer(bytesPerSecond: number): { take(at: number, bytes: number): number } {
  const clock = { at: 0, slept: 0 };
  const paced = new BytePacer(bytesPerSecond, {
    now: () => clock.at,
    sleep: (ms) => {
      clock.slept = ms;
      return Promise.resolve();
    },
  });
  return {
    take: (at, bytes) => {
      clock.at = at;
      clock.slept = 0;
      void paced.take(bytes);
      return clock.slept;
    },
  };
}

test("lets no more than the rate through over any time, but for one burst", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ gapMs: fc.nat(400), bytes: fc.integer({ min: 1, max: 300_000 }) }), { minLength: 1, maxLength: 40 }),
      (steps) => {
        const paced = pacer(1_000_000);
        let at = 0;
        let total = 0;
        for (const { gapMs, bytes } of steps) {
          at += gapMs;
          total += bytes;
          const free = at + paced.take(at, bytes);
          expect(total).toBeLessThanOrEqual((free + 51) * 1000 + 1);
        }
      },
    ),
  );
});

test("wastes nothing while there is always something to send", () => {
  const paced = pacer(1_000_000);
  let last = 0;
  for (let i = 0; i < 100; i += 1) last = paced.take(0, 100_000);
  expect(last).toBeCloseTo(10_000 - 50, 6);
});
