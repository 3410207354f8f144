import { expect, test } from "vitest";
import { isMet, tableOf } from "./measurement.ts";

test("a bar is held against the ratio where there is one, and against the value otherwise", () => {
  expect(isMet({ name: "a", value: 900, unit: "MB/s", ratio: 0.9, bar: { kind: "at least", limit: 0.8 } })).toBe(true);
  expect(isMet({ name: "a", value: 900, unit: "MB/s", ratio: 0.7, bar: { kind: "at least", limit: 0.8 } })).toBe(false);
  expect(isMet({ name: "a", value: 50, unit: "µs", bar: { kind: "below", limit: 50 } })).toBe(false);
  expect(isMet({ name: "a", value: 50, unit: "µs", bar: { kind: "at most", limit: 50 } })).toBe(true);
  expect(isMet({ name: "a", value: 50, unit: "µs" })).toBeUndefined();
});

test("the table says which bars were missed", () => {
  const table = tableOf([
    { name: "echo: p50", value: 0.25, unit: "ms", raw: 0.125, ratio: 2, bar: { kind: "at most", limit: 1.3 } },
    { name: "open", value: 3.5, unit: "µs", bar: { kind: "below", limit: 50 } },
  ]);
  expect(table).toMatch(/echo: p50 +0\.250 ms +0\.125 ms +2\.00 +at most 1\.3 +MISSED/);
  expect(table).toMatch(/open +3\.50 µs +below 50 +met/);
});
