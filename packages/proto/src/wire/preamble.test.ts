import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { CarrierKind, encodePreamble, PREAMBLE_BYTES, PreambleReader } from "./preamble.ts";

// spec: WIRE-2
test("is read whatever the cut, and what follows it is handed back", () => {
  for (const kind of Object.values(CarrierKind)) {
    const bytes = Uint8Array.of(...encodePreamble(kind), 7, 8);
    for (let cut = 0; cut < PREAMBLE_BYTES; cut += 1) {
      const reader = new PreambleReader();
      expect(reader.push(bytes.subarray(0, cut))).toBeUndefined();
      expect(reader.push(bytes.subarray(cut))).toEqual({ kind, rest: Uint8Array.of(7, 8) });
    }
  }
});

test("is read byte by byte", () => {
  const reader = new PreambleReader();
  const outcomes = [...encodePreamble(CarrierKind.data)].map((byte) => reader.push(Uint8Array.of(byte)));
  expect(outcomes.slice(0, 5)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  expect(outcomes[5]).toEqual({ kind: CarrierKind.data, rest: new Uint8Array(0) });
  expect(() => reader.push(new Uint8Array(0))).toThrow();
});

// spec: WIRE-2
test.each([
  [0, 0x47, ErrorCode.NOT_KWIK],
  [3, 0x4c, ErrorCode.NOT_KWIK],
  [4, 0x00, ErrorCode.VERSION],
  [4, 0x02, ErrorCode.VERSION],
  [5, 0x03, ErrorCode.PROTOCOL_VIOLATION],
  [5, 0xff, ErrorCode.PROTOCOL_VIOLATION],
])("refuses byte %i being %i, at once and for good", (position, byte, code) => {
  const bytes = encodePreamble(CarrierKind.control);
  bytes[position] = byte;
  const reader = new PreambleReader();
  expect(reader.push(bytes.subarray(0, position))).toBeUndefined();
  expect(reader.push(bytes.subarray(position, position + 1))).toMatchObject({ code });
  expect(reader.push(encodePreamble(CarrierKind.control))).toMatchObject({ code });
});
