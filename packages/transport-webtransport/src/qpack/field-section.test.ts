import fc from "fast-check";
import { expect, test } from "vitest";
import { Http3Failure } from "../http3-failure.ts";
import { decodeFieldSection, encodeFieldSection } from "./field-section.ts";
import { decodePrefixedInteger, encodePrefixedInteger } from "./prefixed-integer.ts";
import { STATIC_TABLE } from "./static-table.ts";

const decodeHex = (hex: string, maxBytes = 10_000): unknown => decodeFieldSection(Buffer.from(hex.replaceAll(" ", ""), "hex"), maxBytes);

test("the example of RFC 9204 appendix B.1, and a literal name in Huffman code", () => {
  expect(decodeHex("0000 510b 2f69 6e64 6578 2e68 746d 6c")).toEqual([[":path", "/index.html"]]);
  expect(decodeHex("0000 2f01 25a8 49e9 5ba9 7d7f 89 25a8 49e9 5bb8 e8b4 bf")).toEqual([["custom-key", "custom-value"]]);
});

test("the examples of integers in RFC 7541 appendix C.1", () => {
  expect(decodePrefixedInteger(Uint8Array.of(0b01010), 0, 5)).toEqual({ value: 10, next: 1 });
  expect(decodePrefixedInteger(Uint8Array.of(0x1f, 0x9a, 0x0a), 0, 5)).toEqual({ value: 1337, next: 3 });
  expect(decodePrefixedInteger(Uint8Array.of(42), 0, 8)).toEqual({ value: 42, next: 1 });
  expect(encodePrefixedInteger(1337, 5, 0)).toEqual([0x1f, 0x9a, 0x0a]);
});

test("entries of the static table stand where RFC 9204 appendix A has them", () => {
  expect(STATIC_TABLE).toHaveLength(99);
  const at = (index: number): unknown => STATIC_TABLE[index];
  expect([at(0), at(1), at(15), at(17), at(23), at(25), at(27)]).toEqual([
    [":authority", ""],
    [":path", "/"],
    [":method", "CONNECT"],
    [":method", "GET"],
    [":scheme", "https"],
    [":status", "200"],
    [":status", "404"],
  ]);
  expect([at(54), at(63), at(71), at(72), at(90), at(98)]).toEqual([
    ["content-type", "text/plain;charset=utf-8"],
    [":status", "100"],
    [":status", "500"],
    ["accept-language", ""],
    ["origin", ""],
    ["x-frame-options", "sameorigin"],
  ]);
});

test("what is encoded is decoded again", () => {
  const text = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 300 });
  const field = fc.oneof(fc.tuple(text, text), fc.constantFrom(...STATIC_TABLE));
  fc.assert(
    fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
      expect(decodeFieldSection(encodeFieldSection(fields), 1_000_000)).toEqual(fields.map(([name, value]) => [name, value]));
    }),
  );
  expect([...encodeFieldSection([[":status", "200"]])]).toEqual([0, 0, 0xd9]);
});

test("no bytes break the decoder: they are fields, too many, or a failure of HTTP/3", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (tail) => {
      try {
        decodeFieldSection(Uint8Array.of(0, 0, ...tail), 200);
      } catch (error) {
        expect(error).toBeInstanceOf(Http3Failure);
        expect((error as Http3Failure).code).toBe(0x200);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("the dynamic table, entries that are none, and cut off strings are failures", () => {
  for (const hex of ["0100 c0", "0000 80", "0000 10", "0000 ff25", "0000 510b2f", "0000 ffffffffffff01", "", "00"]) {
    expect(() => decodeHex(hex), hex).toThrow(Http3Failure);
  }
  expect(() => decodeHex("0000 510b2f")).toThrow("cut off");
});

test("a section that is too large when measured is given up, although it is small on the wire", () => {
  const small = new Uint8Array(2 + 500).fill(0xd1, 2); // 500 times ":method: GET"
  expect(decodeFieldSection(small, 16_384)).toBeUndefined();
  expect(decodeFieldSection(small.subarray(0, 100), 16_384)).toHaveLength(98);
});
