import fc from "fast-check";
import { expect, test } from "vitest";
import { Assembler } from "./assembler.ts";

/** The byte of the stream at an offset. */
function byteAt(offset: number): number {
  return (offset * 7 + (offset >>> 8)) & 255;
}

function bytes(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => byteAt(start + i));
}

function expectRead(assembler: Assembler): void {
  let offset = assembler.readOffset;
  for (let data = assembler.read(); data !== undefined; data = assembler.read()) {
    for (const byte of data) {
      if (byte !== byteAt(offset)) throw new Error(`wrong byte at ${offset}`);
      offset += 1;
    }
  }
  expect(assembler.readOffset).toBe(offset);
}

test("puts any overlapping arrivals in order, and knows what it has", () => {
  const arrival = fc.record({ start: fc.nat(300), length: fc.nat(60), read: fc.boolean(), cut: fc.option(fc.nat(400), { freq: 20 }) });
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 40 }), (arrivals) => {
      const assembler = new Assembler();
      const has = new Set<number>();
      for (const { start, length, read, cut } of arrivals) {
        let fresh = 0;
        for (let v = start; v < start + length; v += 1) if (!has.has(v)) fresh += 1;
        expect(assembler.insert(start, bytes(start, length))).toBe(fresh);
        for (let v = start; v < start + length; v += 1) has.add(v);
        if (read) expectRead(assembler);
        if (cut !== null) {
          const end = Math.max(cut, assembler.contiguousEnd);
          assembler.truncate(end);
          for (const v of has) if (v >= end) has.delete(v);
        }
        let contiguous = 0;
        while (has.has(contiguous)) contiguous += 1;
        expect(assembler.contiguousEnd).toBe(contiguous);
        expect(assembler.bufferedBytes).toBe(has.size - assembler.readOffset);
        for (let v = 0; v < 360; v += 7) {
          for (const w of [1, 5, 30]) {
            let all = true;
            for (let x = v; x < v + w; x += 1) all &&= has.has(x);
            if (assembler.covers(v, v + w) !== all) throw new Error(`covers(${v}, ${v + w}) is not ${all}`);
          }
        }
      }
    }),
    { numRuns: 150 },
  );
});

test("bytes in order are given as the views that came", () => {
  const assembler = new Assembler();
  const packet = bytes(0, 64 * 1024);
  assembler.insert(0, packet.subarray(100, 200));
  const first = assembler.read();
  expect(first?.buffer).toBe(packet.buffer);
  assembler.insert(100, packet.subarray(0, 20_000));
  assembler.insert(20_100, packet.subarray(20_000, 60_000));
  expect(assembler.read()?.buffer).toBe(packet.buffer);
  expect(assembler.read()?.buffer).toBe(packet.buffer);
});

test("small views that must wait are copied out of large buffers", () => {
  const assembler = new Assembler();
  const packet = bytes(0, 64 * 1024);
  assembler.insert(500, packet.subarray(500, 2000));
  assembler.insert(0, packet.subarray(0, 500));
  assembler.read();
  const data = assembler.read();
  expect(data).toEqual(packet.subarray(500, 2000));
  expect(data?.buffer.byteLength).toBe(1500);
});

test("single bytes in order behind a reader that does not read do not grow into as many pieces", () => {
  const assembler = new Assembler();
  const count = 200_000;
  for (let i = 0; i < count; i += 1) assembler.insert(i, bytes(i, 1));
  expect(assembler.pieceCount).toBeLessThan(40);
  expect(assembler.bufferedBytes).toBe(count);
  expectRead(assembler);
  expect(assembler.readOffset).toBe(count);
});

test("single bytes with holes between them stay within few pieces and come out right", () => {
  const assembler = new Assembler();
  const span = 1 << 18;
  let most = 0;
  for (let i = 1; i < span; i += 2) {
    assembler.insert(i, bytes(i, 1));
    most = Math.max(most, assembler.pieceCount);
  }
  expect(most).toBeLessThanOrEqual(4096 + 1);
  expect(assembler.bufferedBytes).toBe(span / 2);
  expect(assembler.covers(1, 2)).toBe(true);
  expect(assembler.covers(1, 3)).toBe(false);
  // Holes filled singly, then overlapping arrivals over all.
  for (let i = 0; i < 10_000; i += 2) assembler.insert(i, bytes(i, 1));
  expect(assembler.contiguousEnd).toBe(10_000);
  expectRead(assembler);
  let added = 0;
  for (let i = 9000; i < span; i += 50_000) added += assembler.insert(i, bytes(i, Math.min(50_000, span - i)));
  expect(added).toBe((span - 10_000) / 2);
  expectRead(assembler);
  expect([assembler.readOffset, assembler.bufferedBytes, assembler.pieceCount]).toEqual([span, 0, 0]);
});

test("fragments all over a large stretch, in random order, come out right and stay bounded", () => {
  const span = 1 << 18;
  const step = 16;
  const order = Array.from({ length: span / step }, (_, i) => (i * 10_007) % (span / step));
  const assembler = new Assembler();
  let most = 0;
  for (const i of order) {
    assembler.insert(i * step, bytes(i * step, step));
    most = Math.max(most, assembler.pieceCount);
  }
  expect(most).toBeLessThanOrEqual(4200);
  expectRead(assembler);
  expect([assembler.readOffset, assembler.bufferedBytes]).toEqual([span, 0]);
});

test("cutting patches keeps the count of bytes", () => {
  const assembler = new Assembler();
  for (let i = 1; i < 20_000; i += 2) assembler.insert(i, bytes(i, 1));
  assembler.insert(0, bytes(0, 1));
  assembler.truncate(10_000);
  expect(assembler.bufferedBytes).toBe(5001);
  assembler.insert(0, bytes(0, 10_000));
  expectRead(assembler);
  expect([assembler.readOffset, assembler.bufferedBytes]).toEqual([10_000, 0]);
});
