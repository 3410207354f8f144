import { expect, test } from "vitest";
import { parseContentRange } from "./content-range.ts";

test("one range of bytes with a known total is read", () => {
  expect(parseContentRange("bytes 0-0/1")).toEqual({ from: 0, to: 0, total: 1 });
  expect(parseContentRange("Bytes 262144-524287/12587233")).toEqual({ from: 262_144, to: 524_287, total: 12_587_233 });
});

test("what cannot be, or is something else, is not read: a total below the offset would make a range of less than nothing", () => {
  for (const header of [
    "",
    "bytes 5-9/3",
    "bytes 9-5/20",
    "bytes 0-9/9",
    "bytes 0-9/*",
    "bytes */9",
    "bytes 0-9/1234567890123456",
    "bytes -1-9/20",
    "bytes 0-9/20, bytes 20-29/40",
    "items 0-9/20",
    "bytes 0-9/20\n",
  ])
    expect(parseContentRange(header), header).toBeUndefined();
});
