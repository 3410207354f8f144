import { expect, test } from "vitest";
import { dropRules, nameOfLine, queueBytesOf, shaperArguments } from "./line.ts";

test("gives a line a queue of one bandwidth-delay product, but at least 64 packets", () => {
  expect(queueBytesOf({ megabitsPerSecond: 100, roundTripMs: 40 })).toBe(500_000);
  expect(queueBytesOf({ megabitsPerSecond: 10 })).toBe(64 * 1514);
  expect(queueBytesOf({ megabitsPerSecond: 10, queueBytes: 5 })).toBe(5);
});

test("shapes by a token bucket whose burst is a millisecond of the line, but no less than some packets", () => {
  expect(shaperArguments({ megabitsPerSecond: 100 }).join(" ")).toBe("tbf rate 100000kbit burst 12500 limit 96896");
  expect(shaperArguments({ megabitsPerSecond: 2.5 }).join(" ")).toBe("tbf rate 2500kbit burst 5000 limit 96896");
});

test("names a line by what is not usual about it", () => {
  expect(nameOfLine({ megabitsPerSecond: 100 })).toBe("100 Mbit/s");
  expect(nameOfLine({ megabitsPerSecond: 30, roundTripMs: 40, jitterMs: 8, lossShare: 0.005 })).toBe("30 Mbit/s 40±8 ms 0.5 %");
});

test("writes a rule for each line that loses, and for each black hole", () => {
  const rules = dropRules([
    { device: "line1", share: 0, isHole: false },
    { device: "line2", share: 0.005, isHole: false },
    { device: "line3", share: 0, isHole: true },
  ]);
  expect(rules).toContain('iifname "line2" numgen random mod 100000 < 500 drop');
  expect(rules).toContain('iifname "line3" drop');
  expect(rules).not.toContain("line1");
});
