import { expect, test } from "vitest";
import { formatBytes, formatRate, formatSeconds, parseRate } from "./byte-size.ts";

test("reads rates in decimal bytes, binary bytes and bits", () => {
  expect(parseRate("20MB/s")).toBe(20e6);
  expect(parseRate("20MiB/s")).toBe(20 * 1024 * 1024);
  expect(parseRate("160mbit/s")).toBe(20e6);
  expect(parseRate("1.5 GB/s")).toBe(1.5e9);
  expect(parseRate("64kib/s")).toBe(65536);
});

test("refuses what is not a rate, and says how to write one", () => {
  for (const text of ["", "20", "20MB", "MB/s", "-5MB/s", "20XB/s", "0MB/s", "1e6B/s"]) expect(() => parseRate(text)).toThrow(/20MB\/s/);
});

test("writes sizes with three digits", () => {
  expect(formatBytes(0)).toBe("0 B");
  expect(formatBytes(999)).toBe("999 B");
  expect(formatBytes(1000)).toBe("1.00 kB");
  expect(formatBytes(12_345_678)).toBe("12.3 MB");
  expect(formatBytes(123_456_789)).toBe("123 MB");
  expect(formatBytes(999_950_000)).toBe("1.00 GB");
  expect(formatRate(36e6)).toBe("36.0 MB/s");
});

test("writes durations as a person would", () => {
  expect(formatSeconds(0.04)).toBe("0.0 s");
  expect(formatSeconds(8.26)).toBe("8.3 s");
  expect(formatSeconds(42.4)).toBe("42 s");
  expect(formatSeconds(125)).toBe("2 min 05 s");
  expect(formatSeconds(3720)).toBe("1 h 02 min");
});
