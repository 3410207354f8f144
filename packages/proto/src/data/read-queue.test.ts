import { expect, test } from "vitest";
import { ReadQueue } from "./read-queue.ts";

const KiB = 1024;

/** Buffers that the queue keeps alive, in bytes, as found by reading everything. */
function drain(queue: ReadQueue): { bytes: number[]; backing: number } {
  const bytes: number[] = [];
  const buffers = new Set<ArrayBufferLike>();
  for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) {
    for (const byte of piece) bytes.push(byte);
    buffers.add(piece.buffer);
  }
  let backing = 0;
  for (const buffer of buffers) backing += buffer.byteLength;
  return { bytes, backing };
}

function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

test("the end of one packet and the beginning of the next in one buffer stay as they came", () => {
  const queue = new ReadQueue();
  queue.push(filled(62 * KiB, 1));
  const shared = filled(62 * KiB, 2);
  queue.push(shared.subarray(0, 4 * KiB));
  queue.push(shared.subarray(4 * KiB + 20));
  const other = filled(62 * KiB, 3);
  queue.push(other.subarray(0, 58 * KiB));
  queue.push(other.subarray(58 * KiB + 20));
  queue.push(filled(62 * KiB, 4));
  const buffers = Array.from({ length: 6 }, () => queue.shift()?.buffer);
  expect(buffers[1]).toBe(shared.buffer);
  expect(buffers[2]).toBe(shared.buffer);
  expect(buffers[3]).toBe(other.buffer);
  expect(buffers[4]).toBe(other.buffer);
});

test("what little is kept of a large buffer is copied once the next buffer comes", () => {
  const queue = new ReadQueue();
  for (let value = 0; value < 32; value += 1) queue.push(filled(62 * KiB, value).subarray(10, 10 + 2 * KiB));
  const { bytes, backing } = drain(queue);
  expect(bytes).toEqual(Array.from({ length: 32 * 2 * KiB }, (_, index) => Math.floor(index / (2 * KiB))));
  // The last one only is held as it came.
  expect(backing).toBeLessThan(62 * KiB + 32 * 4 * KiB);
});

test("a small piece behind a little one of the same buffer does not keep that buffer", () => {
  const queue = new ReadQueue();
  const expected: number[] = [];
  for (let value = 0; value < 32; value += 1) {
    const buffer = filled(62 * KiB, value);
    queue.push(buffer.subarray(0, KiB));
    queue.push(buffer.subarray(2 * KiB, 2 * KiB + 1));
    for (let i = 0; i <= KiB; i += 1) expected.push(value);
  }
  const { bytes, backing } = drain(queue);
  expect(bytes).toEqual(expected);
  expect(backing).toBeLessThan(32 * 4 * KiB);
});

test("pieces that are read meanwhile are not copied again, nor lost", () => {
  const queue = new ReadQueue();
  const got: number[] = [];
  const expected: number[] = [];
  const take = (): void => {
    for (const byte of queue.shift() ?? []) got.push(byte);
  };
  for (let round = 0; round < 400; round += 1) {
    const buffer = filled(40 * KiB, round % 251);
    for (let at = 0, part = 0; part < 1 + (round % 4); part += 1) {
      const length = 1 + ((round * 977 + part * 3571) % (3 * KiB));
      queue.push(buffer.subarray(at, at + length));
      for (let i = 0; i < length; i += 1) expected.push(round % 251);
      at += length;
    }
    for (let reads = round % 3; reads > 0; reads -= 1) take();
    expect(queue.bytes).toBe(expected.length - got.length);
  }
  while (queue.pieceCount > 0) take();
  expect(got).toEqual(expected);
});

test("after it was emptied it starts anew", () => {
  const queue = new ReadQueue();
  const buffer = filled(62 * KiB, 1);
  queue.push(buffer.subarray(0, 2 * KiB));
  queue.shift();
  queue.push(buffer.subarray(2 * KiB, 3 * KiB));
  queue.push(filled(100, 2));
  queue.clear();
  expect([queue.bytes, queue.pieceCount, queue.shift()]).toEqual([0, 0, undefined]);
  queue.push(filled(3, 3));
  expect(queue.shift()).toEqual(filled(3, 3));
});

test("a reader of single bytes does not make every small piece a block of its own", () => {
  const queue = new ReadQueue();
  queue.push(filled(4 * KiB, 1));
  const target = new Uint8Array(1);
  for (let i = 0; i < 3 * KiB; i += 1) {
    queue.push(filled(1, 2));
    expect(queue.copyInto(target)).toBe(1);
  }
  expect(queue.bytes).toBe(4 * KiB);
  expect(drain(queue).backing).toBeLessThan(16 * KiB);
});
