import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeVarint, VarintReader } from "./varint.ts";

test("the examples of RFC 9000 appendix A.1", () => {
  const read = (hex: string): number | undefined => {
    const reader = new VarintReader();
    reader.take(Buffer.from(hex, "hex"), 0);
    return reader.value;
  };
  expect(read("9d7f3e7d")).toBe(494_878_333);
  expect(read("7bbd")).toBe(15_293);
  expect(read("25")).toBe(37);
  expect(read("4025")).toBe(37);
  expect(read("c2197c5eff14e88c")).toBe(Number(151_288_809_941_952_652n));
});

test("what is written is read again, whole and one byte at a time", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const bytes = encodeVarint(value);
      const whole = new VarintReader();
      expect(whole.take(Uint8Array.of(...bytes, 1, 2), 0)).toBe(bytes.length);
      expect(whole.value).toBe(value);
      const slow = new VarintReader();
      for (const byte of bytes) {
        expect(slow.value).toBeUndefined();
        slow.take(Uint8Array.of(byte), 0);
      }
      expect(slow.value).toBe(value);
    }),
  );
});
