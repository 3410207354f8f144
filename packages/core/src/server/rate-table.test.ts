import { expect, test } from "vitest";
import { RateTable } from "./rate-table.ts";

test("each key has a rate of its own, and what is given back can be taken again", () => {
  const table = new RateTable({ perSecond: 1, burst: 2 }, 10);
  expect([table.take("a", 0), table.take("a", 0), table.take("a", 0)]).toEqual([undefined, undefined, 1000]);
  table.giveBack("a");
  table.giveBack("unheard of");
  expect([table.take("a", 0), table.take("a", 0)]).toEqual([undefined, 1000]);
  expect(table.take("b", 0)).toBeUndefined();
  expect(table.take("a", 1000)).toBeUndefined();
});

test("the table stays bounded: it forgets those that have their burst again, then whoever was heard of longest ago", () => {
  const table = new RateTable({ perSecond: 1, burst: 1 }, 100);
  for (let i = 0; i < 10_000; i += 1) table.take(`flood ${i}`, 0);
  expect(table.size).toBe(100);
  expect(table.take("flood 9999", 0)).toBe(1000);
  expect(table.take("flood 0", 0)).toBeUndefined();
  for (let i = 0; i < 200; i += 1) table.take(`later ${i % 3}`, 10_000 + i * 1_000);
  expect(table.size).toBeLessThan(5);
});
