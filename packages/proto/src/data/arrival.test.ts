import { expect, test } from "vitest";
import { Arrival } from "./arrival.ts";
import { ReadQueue } from "./read-queue.ts";

const KiB = 1024;

/** A buffer that came, its memory, and a queue that keeps parts of it. */
function arrived(bytes = 62 * KiB, value = 1) {
  const data = new Uint8Array(bytes).fill(value);
  const arrival = Arrival.of(data);
  if (arrival === undefined) throw new Error("too small to matter");
  return { data, arrival };
}

test("memory is given back once everything was copied out, not before", () => {
  const queue = new ReadQueue();
  const { data, arrival } = arrived();
  queue.push(data.subarray(10, 30 * KiB), arrival);
  queue.push(data.subarray(30 * KiB + 5), arrival);
  arrival.release();
  const target = new Uint8Array(40 * KiB);
  expect(queue.copyInto(target)).toBe(40 * KiB);
  expect(data.length).toBe(62 * KiB);
  expect(queue.copyInto(target)).toBe(62 * KiB - 15 - 40 * KiB);
  expect([data.length, data.buffer.byteLength, queue.bytes]).toEqual([0, 0, 0]);
  expect(target.every((byte) => byte === 1)).toBe(true);
});

test("memory that nothing was kept of is given back at once", () => {
  const { data, arrival } = arrived();
  arrival.release();
  expect(data.length).toBe(0);
});

test("memory is still there while the one who takes it in is not done, even if all so far was read", () => {
  const queue = new ReadQueue();
  const { data, arrival } = arrived();
  queue.push(data.subarray(0, 20 * KiB), arrival);
  queue.copyInto(new Uint8Array(20 * KiB));
  expect(data.length).toBe(62 * KiB);
  arrival.release();
  expect(data.length).toBe(0);
});

test("a view that the application got is never taken from it", () => {
  const queue = new ReadQueue();
  const { data, arrival } = arrived();
  queue.push(data.subarray(0, 20 * KiB), arrival);
  queue.push(data.subarray(20 * KiB), arrival);
  arrival.release();
  const piece = queue.shift();
  queue.copyInto(new Uint8Array(62 * KiB));
  expect([queue.bytes, piece?.length, data.length]).toEqual([0, 20 * KiB, 62 * KiB]);
});

test("what is forgotten, or copied because it is little, gives its memory back", () => {
  const forgotten = arrived();
  const queue = new ReadQueue();
  queue.push(forgotten.data, forgotten.arrival);
  forgotten.arrival.release();
  queue.clear();
  expect(forgotten.data.length).toBe(0);

  const little = arrived(62 * KiB, 2);
  const next = arrived(62 * KiB, 3);
  queue.push(little.data.subarray(0, 2 * KiB), little.arrival);
  little.arrival.release();
  queue.push(next.data, next.arrival);
  expect([little.data.length, next.data.length]).toEqual([0, 62 * KiB]);
  expect(queue.shift()).toEqual(new Uint8Array(2 * KiB).fill(2));
});

test("small buffers, and parts of buffers, are left to the collector", () => {
  expect(Arrival.of(new Uint8Array(100))).toBeUndefined();
  expect(Arrival.of(new Uint8Array(64 * KiB).subarray(1))).toBeUndefined();
  expect(Arrival.of(new Uint8Array(new SharedArrayBuffer(64 * KiB)))).toBeUndefined();
});

test("any order of arriving, copying and taking gives the bytes that came", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const queue = new ReadQueue();
  const sent: number[] = [];
  const got: number[] = [];
  const kept: { readonly piece: Uint8Array; readonly bytes: readonly number[] }[] = [];
  const target = new Uint8Array(6 * KiB);
  for (let round = 0; round < 1500; round += 1) {
    const data = Uint8Array.from({ length: 4 * KiB + random(8 * KiB) }, () => random(256));
    const arrival = Arrival.of(data);
    for (let at = 0; at < data.length; ) {
      const length = Math.min(data.length - at, 1 + random(random(2) === 0 ? 900 : 6 * KiB));
      // A part of the buffer may be somebody else's.
      if (random(5) > 0) {
        queue.push(data.subarray(at, at + length), arrival);
        for (let i = at; i < at + length; i += 1) sent.push(data[i] as number);
      }
      at += length;
    }
    arrival?.release();
    for (let reads = random(4); reads > 0; reads -= 1) {
      const part = target.subarray(0, 1 + random(target.length));
      if (random(3) > 0) for (const byte of part.subarray(0, queue.copyInto(part))) got.push(byte);
      else {
        const piece = queue.shift() ?? new Uint8Array(0);
        kept.push({ piece, bytes: [...piece] });
        for (const byte of piece) got.push(byte);
      }
    }
    expect(queue.bytes).toBe(sent.length - got.length);
  }
  for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) for (const byte of piece) got.push(byte);
  expect(Buffer.from(got).equals(Buffer.from(sent))).toBe(true);
  for (const { piece, bytes } of kept) expect(Buffer.from(piece).equals(Buffer.from(bytes))).toBe(true);
});
