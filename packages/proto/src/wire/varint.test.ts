import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_VARINT, VarintReader, varintLength, writeVarint } from "./varint.ts";

/** Values of every encoded length, with the borders more often than chance would have them. */
const value = fc.oneof(
  fc.constantFrom(0, 63, 64, 16383, 16384, 2 ** 30 - 1, 2 ** 30, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 2, MAX_VARINT),
  fc.nat(20_000),
  fc.maxSafeNat(),
);

// spec: WIRE-1
test("every value reads back as written, in its shortest length", () => {
  fc.assert(
    fc.property(value, fc.nat(5), (number, at) => {
      const bytes = new Uint8Array(at + 8);
      const end = writeVarint(bytes, at, number);
      expect(end - at).toBe(varintLength(number));
      const reader = new VarintReader();
      reader.reset(bytes, at, end);
      expect(reader.varint()).toBe(number);
      expect(reader.at).toBe(end);
      expect(reader.isShort || reader.isTooLarge).toBe(false);
    }),
  );
});

test("a value cut anywhere is short, and nothing after it is read", () => {
  fc.assert(
    fc.property(value, fc.nat(8), (number, cut) => {
      const bytes = new Uint8Array(8);
      const end = writeVarint(bytes, 0, number);
      fc.pre(cut < end);
      const reader = new VarintReader();
      reader.reset(bytes, 0, cut);
      reader.varint();
      reader.varint();
      reader.byte();
      expect(reader.isShort).toBe(true);
      expect(reader.at).toBe(cut);
    }),
  );
});

// spec: WIRE-1
test("longer forms of a small value are understood", () => {
  for (const form of [[0x25], [0x40, 0x25], [0x80, 0, 0, 0x25], [0xc0, 0, 0, 0, 0, 0, 0, 0x25]]) {
    const reader = new VarintReader();
    reader.reset(Uint8Array.from(form), 0, form.length);
    expect(reader.varint()).toBe(0x25);
    expect(reader.at).toBe(form.length);
  }
});

// spec: WIRE-1
test("values above 2^53 - 1 are too large", () => {
  const reader = new VarintReader();
  for (const form of [
    [0xc0, 0x20, 0, 0, 0, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  ]) {
    reader.reset(Uint8Array.from(form), 0, 8);
    reader.varint();
    expect(reader.isTooLarge).toBe(true);
  }
});

test("writing what is no varint is a bug and throws", () => {
  const target = new Uint8Array(8);
  for (const bad of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => writeVarint(target, 0, bad)).toThrow(RangeError);
});
