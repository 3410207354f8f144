import fc from "fast-check";
import { expect, test } from "vitest";
import { BlockPieces } from "./block-pieces.ts";

function joined(pieces: BlockPieces, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of pieces.parts()) {
    out.set(part, at);
    at += part.length;
  }
  expect(at).toBe(length);
  return out;
}

test("pieces in any order, cut and repetition make the block", () => {
  const length = 5000;
  const block = Uint8Array.from({ length }, (_, i) => (i * 13) & 0xff);
  const piece = fc.record({ start: fc.nat(length - 1), length: fc.integer({ min: 1, max: 900 }) });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 120 }), (list) => {
      const pieces = new BlockPieces(length);
      const seen = new Set<number>();
      for (const { start, length: count } of list) {
        const end = Math.min(length, start + count);
        const before = seen.size;
        for (let i = start; i < end; i += 1) seen.add(i);
        expect(pieces.add(start, block.subarray(start, end))).toBe(seen.size - before);
        expect(pieces.receivedBytes).toBe(seen.size);
      }
      pieces.add(0, block);
      expect(pieces.isComplete).toBe(true);
      expect(joined(pieces, length)).toEqual(block);
    }),
    { numRuns: 100 },
  );
});

test("in-order views are kept, not copied", () => {
  const data = new Uint8Array(64 * 1024);
  const pieces = new BlockPieces(data.length);
  pieces.add(0, data.subarray(0, 40_000));
  pieces.add(40_000, data.subarray(40_000));
  expect(pieces.parts().every((part) => part.buffer === data.buffer)).toBe(true);
});

test("a small view does not hold a large buffer", () => {
  const pieces = new BlockPieces(16 * 1024);
  pieces.add(0, new Uint8Array(1 << 20).subarray(100, 110));
  expect(pieces.parts()[0]?.buffer.byteLength).toBe(10);
});

// spec: CONTENT-14
test("single bytes with holes between them are refused before they cost more than the block", () => {
  const pieces = new BlockPieces(64 * 1024);
  let refusedAt: number | undefined;
  for (let i = 0; i < 64 * 1024 && refusedAt === undefined; i += 2) if (pieces.add(i, new Uint8Array(1)) === undefined) refusedAt = i;
  expect(refusedAt).toBe(2 * 1024);
});
