import fc from "fast-check";
import { expect, test } from "vitest";
import { RangeSet } from "./range-set.ts";

function contents(set: RangeSet): number[] {
  const out: number[] = [];
  for (let i = 0; i < set.rangeCount; i += 1) for (let v = set.startAt(i); v < set.endAt(i); v += 1) out.push(v);
  return out;
}

test("behaves as a set of numbers under any sequence of additions and removals", () => {
  const operation = fc.record({ add: fc.boolean(), start: fc.nat(60), length: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const set = new RangeSet();
      const oracle = new Set<number>();
      for (const { add, start, length } of operations) {
        let changed = 0;
        for (let v = start; v < start + length; v += 1) {
          if (oracle.has(v) !== add) changed += 1;
          if (add) oracle.add(v);
          else oracle.delete(v);
        }
        expect(add ? set.add(start, start + length) : set.delete(start, start + length)).toBe(changed);
        expect(contents(set)).toEqual([...oracle].sort((a, b) => a - b));
        expect(set.size).toBe(oracle.size);
        for (let i = 1; i < set.rangeCount; i += 1) expect(set.startAt(i)).toBeGreaterThan(set.endAt(i - 1));
        for (let v = 0; v < 80; v += 1) expect(set.has(v)).toBe(oracle.has(v));
      }
    }),
    { numRuns: 300 },
  );
});

test("hands out its lowest numbers in pieces", () => {
  const set = new RangeSet();
  set.add(10, 20);
  set.add(30, 35);
  expect(set.takeFirst(4)).toEqual({ start: 10, end: 14 });
  expect(set.takeFirst(100)).toEqual({ start: 14, end: 20 });
  expect(set.takeFirst(100)).toEqual({ start: 30, end: 35 });
  expect(set.takeFirst(1)).toBeUndefined();
});
