import { crc32 as platformCrc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32 } from "./crc32.ts";

test("agrees with zlib for any bytes and any seed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer({ min: 0, max: 0xffff_ffff }), (data, seed) => {
      expect(crc32(data, seed)).toBe(platformCrc32(data, seed));
    }),
  );
});

test("goes on from the sum of the bytes before", () => {
  const data = Uint8Array.from({ length: 99 }, (_, i) => i * 7);
  expect(crc32(data.subarray(13), crc32(data.subarray(0, 13), 0))).toBe(crc32(data, 0));
});

// spec: WIRE-6
test("has the check value of the standard", () => {
  expect(crc32(new TextEncoder().encode("123456789"), 0)).toBe(0xcbf43926);
});
