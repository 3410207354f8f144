import { expect, test } from "vitest";
import { SLAB_BYTES, SlabPool } from "./slab-pool.ts";
import { WriteBuffer } from "./write-buffer.ts";

const KiB = 1024;

/** A write buffer with what it handed on, in order. */
function staged() {
  const pool = new SlabPool(() => undefined);
  const buffer = new WriteBuffer(pool);
  const views: Uint8Array[] = [];
  let offset = 0;
  const handOn = (bytes: Uint8Array): number => {
    views.push(bytes);
    offset += bytes.length;
    return offset;
  };
  const write = (length: number, value: number): void => buffer.append(new Uint8Array(length).fill(value), handOn);
  const flush = (): void => buffer.flush(handOn);
  const memories = () => new Set(views.map((view) => view.buffer)).size;
  return { pool, buffer, views, write, flush, memories, offset: () => offset };
}

test("small writes come out as one view, and the caller's bytes are its own again at once", () => {
  const { buffer, views, flush } = staged();
  const mine = Uint8Array.of(1, 2, 3);
  const handOn = (): number => 0;
  buffer.append(mine, handOn);
  buffer.append(mine, handOn);
  mine.fill(9);
  expect(buffer.gatheredBytes).toBe(6);
  flush();
  expect(views).toEqual([Uint8Array.of(1, 2, 3, 1, 2, 3)]);
  expect(buffer.gatheredBytes).toBe(0);
  flush();
  expect(views).toHaveLength(1);
});

test("a write larger than any slab is handed on whole, in order", () => {
  const { views, flush, buffer, offset } = staged();
  const data = Uint8Array.from({ length: 700 * KiB }, (_, index) => index % 251);
  let at = 0;
  const handOn = (bytes: Uint8Array): number => {
    views.push(bytes);
    at += bytes.length;
    return at;
  };
  buffer.append(data, handOn);
  buffer.flush(handOn);
  flush();
  expect(offset()).toBe(0);
  expect(Buffer.concat(views).equals(data)).toBe(true);
});

test("acknowledged slabs are written again, and a long transfer needs no more memory than is under way", () => {
  const { buffer, write, flush, memories, offset } = staged();
  for (let round = 0; round < 400; round += 1) {
    write(64 * KiB, round);
    flush();
    buffer.recycle(Math.max(0, offset() - 1024 * KiB), 0);
  }
  // 25 MiB went through; a megabyte is under way, and small slabs came first.
  expect(memories() * SLAB_BYTES).toBeLessThan(1.5 * 1024 * KiB);
});

test("what is not acknowledged stays as it was written", () => {
  const { buffer, views, write, flush, offset } = staged();
  for (let round = 0; round < 64; round += 1) {
    write(64 * KiB, round);
    flush();
    buffer.recycle(Math.max(0, offset() - 512 * KiB), 0);
    for (let back = 0; back < Math.min(8, round + 1); back += 1) {
      const view = views[views.length - 1 - back] as Uint8Array;
      // The view before a slab's end may be the rest of a write.
      expect(new Set(view).size).toBe(1);
    }
    expect(views[views.length - 1]?.[0]).toBe(round);
  }
});

test("what was sent twice is not written again, as a slow link may still hold it, and what follows it is", () => {
  const { buffer, views, write, flush, memories, offset } = staged();
  const resentEnd = 10 * SLAB_BYTES;
  for (let round = 0; round < 64; round += 1) {
    write(SLAB_BYTES, round);
    flush();
    buffer.recycle(offset(), resentEnd);
  }
  // The memory of the ten, and what the rest takes turns in.
  expect(memories()).toBeLessThanOrEqual(13);
  for (let round = 0; round < 10; round += 1) expect(new Set(views[round])).toEqual(new Set([round]));
});

test("where everything was sent twice, no memory is used again", () => {
  const { buffer, write, flush, memories, offset } = staged();
  for (let round = 0; round < 64; round += 1) {
    write(SLAB_BYTES, round);
    flush();
    buffer.recycle(offset(), offset());
  }
  expect(memories()).toBeGreaterThanOrEqual(63);
});

test("what is under way when a stream is given up is never written again", () => {
  const { buffer, views, write, flush, offset } = staged();
  write(SLAB_BYTES, 1);
  write(SLAB_BYTES, 2);
  flush();
  buffer.abandon();
  buffer.recycle(offset(), 0);
  write(SLAB_BYTES, 3);
  flush();
  expect(views[0]?.[0]).toBe(1);
  expect(views[views.length - 1]?.buffer).not.toBe(views[0]?.buffer);
});

test("streams to one peer use the same memory in turn", () => {
  const { pool, write, flush, buffer, offset, memories, views } = staged();
  for (let round = 0; round < 8; round += 1) write(SLAB_BYTES, round);
  flush();
  buffer.recycle(offset(), 0);
  const before = memories();
  const other = new WriteBuffer(pool);
  const handOn = (bytes: Uint8Array): number => views.push(bytes);
  for (let round = 0; round < 4; round += 1) other.append(new Uint8Array(SLAB_BYTES), handOn);
  other.flush(handOn);
  expect(memories()).toBe(before);
});
