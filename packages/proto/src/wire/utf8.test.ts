import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

test("encodes any string as the platform does, lone surrogates included", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.nat(0xffff).map((unit) => String.fromCharCode(unit)),
        ),
      ),
      (pieces) => {
        const text = pieces.join("");
        expect([...encodeUtf8(text)]).toEqual([...new TextEncoder().encode(text)]);
      },
    ),
  );
});

// spec: WIRE-14
test("decodes any bytes as the platform does, with replacement characters", () => {
  const lead = fc.constantFrom(0x41, 0x80, 0xbf, 0xc1, 0xc2, 0xe0, 0xa0, 0xed, 0x9f, 0xef, 0xf0, 0x90, 0xf4, 0x8f, 0xf5, 0xff);
  const platform = new TextDecoder("utf-8", { ignoreBOM: true });
  fc.assert(
    fc.property(fc.array(fc.oneof(lead, fc.nat(255)), { maxLength: 20 }), (bytes) => {
      expect(decodeUtf8(Uint8Array.from(bytes))).toBe(platform.decode(Uint8Array.from(bytes)));
    }),
    { numRuns: 2000 },
  );
});

test("cuts at a character", () => {
  expect(decodeUtf8(encodeUtf8("aé€😀z", 9))).toBe("aé€");
  expect(decodeUtf8(encodeUtf8("aé€😀z", 10))).toBe("aé€😀");
  expect(encodeUtf8("€", 2)).toHaveLength(0);
});
