import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeRecord, RecordReader } from "./record-reader.ts";
import type { RecordSink, RecordTreatment } from "./record-reader.ts";
import { encodeVarint } from "./varint.ts";

/** Keeps records of even types whole, takes those of type 1 in pieces, skips other odd ones. */
class Log implements RecordSink {
  readonly records: (readonly [number, readonly number[]])[] = [];
  readonly pieces: number[] = [];

  treat(type: number): RecordTreatment {
    if (type === 0x41) return "endless";
    return type % 2 === 0 ? "whole" : type === 1 ? "pieces" : "skip";
  }

  onRecord(type: number, value: Uint8Array): void {
    this.records.push([type, [...value]]);
  }

  onPiece(_type: number, bytes: Uint8Array): void {
    this.pieces.push(...bytes);
  }
}

const records = fc.array(fc.tuple(fc.nat(9), fc.uint8Array({ maxLength: 90 })), { maxLength: 12 });

test("however the bytes are cut, the same records come out", () => {
  fc.assert(
    fc.property(records, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sent, cuts) => {
      const bytes = sent.flatMap(([type, value]) => [...encodeRecord(type, value)]);
      const log = new Log();
      const reader = new RecordReader(log);
      for (let at = 0, i = 0; at < bytes.length; i += 1) {
        const next = at + (cuts[i % cuts.length] as number);
        reader.push(Uint8Array.from(bytes.slice(at, next)));
        at = next;
      }
      expect(reader.isInside).toBe(false);
      expect(log.records).toEqual(sent.filter(([type]) => type % 2 === 0).map(([type, value]) => [type, [...value]]));
      expect(log.pieces).toEqual(sent.filter(([type]) => type === 1).flatMap(([, value]) => [...value]));
    }),
  );
});

test("a stream that was cut off is inside a record, wherever that was", () => {
  const bytes = encodeRecord(0x4242, new Uint8Array(70));
  for (let length = 1; length < bytes.length; length += 1) {
    const reader = new RecordReader(new Log());
    reader.push(bytes.subarray(0, length));
    expect(reader.isInside).toBe(true);
  }
});

test("a skipped record may be larger than memory, and an endless one never ends", () => {
  const log = new Log();
  const reader = new RecordReader(log);
  reader.push(Uint8Array.of(3, ...encodeVarint(Number.MAX_SAFE_INTEGER)));
  for (let i = 0; i < 100; i += 1) reader.push(new Uint8Array(1_000_000));
  expect(reader.isInside).toBe(true);
  const other = new RecordReader(log);
  other.push(Uint8Array.of(0x40, 0x41, 0, 2, 1, 9));
  other.push(Uint8Array.of(2, 1, 8));
  expect(log.pieces).toEqual([2, 1, 9, 2, 1, 8]);
  expect(log.records).toEqual([]);
});
