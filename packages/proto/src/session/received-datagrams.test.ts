import fc from "fast-check";
import { expect, test } from "vitest";
import { ReceivedDatagrams } from "./received-datagrams.ts";

// spec: DGRAM-2
test("each number of the newest 1024 counts once", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(3000), fc.nat(40)), { maxLength: 300 }), (numbers) => {
      const received = new ReceivedDatagrams();
      const seen = new Set<number>();
      let highest = -1;
      for (const number of numbers) {
        const isNew = number > highest - 1024 && !seen.has(number);
        highest = Math.max(highest, number);
        seen.add(number);
        expect(received.accept(number)).toBe(isNew);
      }
    }),
  );
});

// spec: DGRAM-2
test("a jump to the largest number leaves a window behind it", () => {
  const received = new ReceivedDatagrams();
  expect([5, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1023, 5].map((n) => received.accept(n))).toEqual([
    true,
    true,
    false,
    true,
    false,
  ]);
});
