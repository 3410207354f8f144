import fc from "fast-check";
import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { RangeQueue } from "./range-queue.ts";
import type { RangeRead } from "./range-queue.ts";

const KiB = 1024;
const LENGTH = 4096 * KiB;

/** The byte at a content offset. */
const byteAt = (offset: number): number => (offset * 7 + (offset >> 8)) & 0xff;

function bytesOf(read: { offset: number; length: number }): Uint8Array {
  return Uint8Array.from({ length: read.length }, (_, i) => byteAt(read.offset + i));
}

function readAll(queue: RangeQueue): RangeRead[] {
  const reads: RangeRead[] = [];
  for (let read = queue.pollRead(); read !== undefined; read = queue.pollRead()) reads.push(read);
  return reads;
}

// spec: CONTENT-16
test("reads in aligned pieces, ahead of sending, but only so far", () => {
  const queue = new RangeQueue({ maxRequests: 8, readBytes: 4 * KiB, readAheadBytes: 12 * KiB });
  expect(queue.request(1, "file", "v", LENGTH, 2 * KiB, 30 * KiB, 128)).toBeUndefined();
  const reads = readAll(queue);
  expect(reads.map(({ offset, length }) => [offset, length])).toEqual([
    [2 * KiB, 2 * KiB],
    [4 * KiB, 4 * KiB],
    [8 * KiB, 4 * KiB],
  ]);
  for (const read of reads) queue.handleRead(1, read.offset, bytesOf(read));
  expect(queue.readyBytes).toBe(10 * KiB);
  expect(queue.take(1_000)).toMatchObject({ requestId: 1, offset: 2 * KiB });
  expect(queue.take(100 * KiB)?.data.length).toBe(KiB * 2 - 1_000);
  expect(queue.take(100 * KiB)?.data.length).toBe(4 * KiB);
  expect(readAll(queue).map((read) => read.offset)).toEqual([12 * KiB, 16 * KiB]);
});

// spec: CONTENT-16
test("reads 2 MiB ahead, at most 256 KiB at a time, and forgets a cancelled request", () => {
  const queue = new RangeQueue({ maxRequests: 8 });
  queue.request(1, "file", "v", 2 * LENGTH, 100, 2 * LENGTH - 100, 128);
  const reads = readAll(queue);
  expect(reads.slice(0, 2).map(({ offset, length }) => [offset, length])).toEqual([
    [100, 256 * KiB - 100],
    [256 * KiB, 256 * KiB],
  ]);
  expect(reads.reduce((sum, { length }) => sum + length, 0)).toBe(2048 * KiB - 100);
  queue.handleRead(1, 100, bytesOf({ offset: 100, length: 256 * KiB - 100 }));
  expect(queue.isReady).toBe(true);
  queue.cancel(1);
  expect([queue.isReady, queue.bufferedBytes, queue.requestCount, queue.take(1000)]).toEqual([false, 0, 0, undefined]);
});

// spec: CONTENT-16
test("what was lost goes out first, and what was acknowledged is released", () => {
  const queue = new RangeQueue({ maxRequests: 8, readBytes: 4 * KiB });
  queue.request(1, "file", "v", LENGTH, 0, 8 * KiB, 128);
  for (const read of readAll(queue)) queue.handleRead(1, read.offset, bytesOf(read));
  queue.take(4 * KiB);
  queue.take(1 * KiB);
  queue.markLost(1, 1 * KiB, 4 * KiB);
  expect(queue.take(2 * KiB)).toMatchObject({ offset: 1 * KiB });
  queue.markAcked(1, 0, 4 * KiB);
  expect(queue.bufferedBytes).toBe(4 * KiB);
  const again = queue.take(10 * KiB);
  expect(again?.offset).toBe(4 * KiB);
  expect(again?.data).toEqual(bytesOf({ offset: 4 * KiB, length: KiB }));
  expect(queue.take(10 * KiB)?.offset).toBe(5 * KiB);
  expect(queue.isReady).toBe(false);
  queue.markAcked(1, 4 * KiB, 4 * KiB);
  expect([queue.bufferedBytes, queue.requestCount]).toEqual([0, 0]);
});

// spec: CONTENT-16
test("a higher priority goes first, then the older request", () => {
  const queue = new RangeQueue({ maxRequests: 8, readBytes: 4 * KiB });
  queue.request(1, "a", "v", LENGTH, 0, 4 * KiB, 100);
  queue.request(2, "b", "v", LENGTH, 0, 4 * KiB, 200);
  queue.request(3, "c", "v", LENGTH, 0, 4 * KiB, 100);
  expect(readAll(queue).map((read) => read.requestId)).toEqual([2, 1, 3]);
});

// spec: CONTENT-17
test("a failed read refuses the request, with the version that is here", () => {
  const queue = new RangeQueue({ maxRequests: 8, readBytes: 4 * KiB });
  queue.request(1, "file", "v", LENGTH, 0, 16 * KiB, 128);
  const reads = readAll(queue);
  queue.handleRead(1, 0, bytesOf({ offset: 0, length: 4 * KiB }));
  queue.handleReadFailed(1, 4 * KiB, ErrorCode.CONTENT_VERSION, "changed", "w");
  expect(queue.pollRefused()).toEqual({ requestId: 1, code: ErrorCode.CONTENT_VERSION, reason: "changed", version: "w" });
  for (const read of reads) queue.handleRead(1, read.offset, bytesOf(read));
  expect([queue.bufferedBytes, queue.readyBytes, queue.requestCount]).toEqual([0, 0, 0]);
});

test("a read of another length is our own store's fault and refuses the request", () => {
  const queue = new RangeQueue({ maxRequests: 8 });
  queue.request(1, "file", "v", LENGTH, 0, 16 * KiB, 128);
  readAll(queue);
  queue.handleRead(1, 0, new Uint8Array(5));
  expect(queue.pollRefused()?.code).toBe(ErrorCode.INTERNAL_ERROR);
});

// spec: CONTENT-15
test("too many requests are refused, and a flood of them fails", () => {
  const queue = new RangeQueue({ maxRequests: 2 });
  for (let id = 1; id <= 10; id += 1) expect(queue.request(id, "file", "v", LENGTH, 0, KiB, 128)).toBeUndefined();
  expect(queue.request(11, "file", "v", LENGTH, 0, KiB, 128)?.code).toBe(ErrorCode.LIMIT_REACHED);
  expect(queue.pollRefused()).toMatchObject({ requestId: 3, code: ErrorCode.LIMIT_REACHED });
});

// spec: CONTENT-15
test("a cancelled request keeps its place until its reads have ended", () => {
  const queue = new RangeQueue({ maxRequests: 3 });
  const reads: RangeRead[] = [];
  const refused: number[] = [];
  for (let id = 1; id <= 10; id += 1) {
    queue.request(id, "file", "v", LENGTH, 0, 1, 128);
    reads.push(...readAll(queue));
    queue.cancel(id);
    for (let refusal = queue.pollRefused(); refusal !== undefined; refusal = queue.pollRefused()) refused.push(refusal.requestId);
  }
  expect(reads.map((read) => read.requestId)).toEqual([1, 2, 3]);
  expect(refused).toEqual([4, 5, 6, 7, 8, 9, 10]);
  queue.handleRead(2, 0, new Uint8Array(1));
  queue.handleReadFailed(3, 0, ErrorCode.INTERNAL_ERROR, "", "");
  for (let id = 11; id <= 13; id += 1) queue.request(id, "file", "v", LENGTH, 0, 1, 128);
  expect(readAll(queue).map((read) => read.requestId)).toEqual([11, 12]);
  expect(queue.pollRefused()).toMatchObject({ requestId: 13, code: ErrorCode.LIMIT_REACHED });
});

// spec: CONTENT-16
test("reads of less than the smallest block take as much of the read-ahead as one", () => {
  const queue = new RangeQueue({ maxRequests: 1024 });
  for (let id = 1; id <= 1000; id += 1) queue.request(id, "file", "v", LENGTH, id, 1, 128);
  const reads = readAll(queue);
  // The last one begins while there is room for a longest read.
  expect(reads.length).toBe((2048 - 256) / 16 + 1);
  for (const { requestId, offset } of reads.slice(0, 2)) queue.handleRead(requestId, offset, new Uint8Array(1));
  expect(readAll(queue).length).toBe(1);
});

// spec: CONTENT-17
test("the other reads of a request that failed count until they have ended", () => {
  const queue = new RangeQueue({ maxRequests: 8, readBytes: 4 * KiB, readAheadBytes: 8 * KiB });
  queue.request(1, "file", "v", LENGTH, 0, 16 * KiB, 128);
  expect(readAll(queue).map((read) => read.offset)).toEqual([0, 4 * KiB]);
  queue.handleReadFailed(1, 0, ErrorCode.INTERNAL_ERROR, "", "");
  queue.request(2, "file", "v", LENGTH, 0, 16 * KiB, 128);
  expect(readAll(queue).map((read) => read.offset)).toEqual([0]);
  queue.handleReadFailed(1, 4 * KiB, ErrorCode.INTERNAL_ERROR, "", "");
  expect(readAll(queue).map((read) => read.offset)).toEqual([4 * KiB]);
});

test("requests that make no sense are violations", () => {
  const queue = new RangeQueue({ maxRequests: 2 });
  queue.request(1, "file", "v", LENGTH, 0, KiB, 128);
  const bad: [number, string, number, number, number][] = [
    [1, "file", LENGTH, 0, KiB],
    [2, "", LENGTH, 0, KiB],
    [2, "file", LENGTH, 0, 0],
    [2, "file", LENGTH, LENGTH, 1],
    [2, "file", LENGTH, -1, 1],
    [2, "file", LENGTH, 0.5, 1],
    [2, "file", Number.MAX_VALUE, 0, 1],
  ];
  for (const [id, name, contentLength, offset, length] of bad) {
    expect(queue.request(id, name, "v", contentLength, offset, length, 128)?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  }
});

test("under any order of events the counts stay right, memory bounded, and every byte can be had", () => {
  const operation = fc.record({ kind: fc.nat(7), a: fc.nat(), b: fc.nat() });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 150 }), (operations) => {
      const queue = new RangeQueue({ maxRequests: 4, readBytes: 4 * KiB, readAheadBytes: 16 * KiB });
      const reads: RangeRead[] = [];
      const sent: { requestId: number; offset: number; length: number }[] = [];
      let nextId = 0;
      for (const { kind, a, b } of operations) {
        if (kind === 0) queue.request((nextId += 1), "file", "v", LENGTH, (a % 100) * 512, 1 + (b % (40 * KiB)), a % 3);
        else if (kind === 1) queue.cancel(a % (nextId + 1));
        else if (kind === 2) reads.push(...readAll(queue));
        else if (kind === 3 && reads.length > 0) {
          const [read] = reads.splice(a % reads.length, 1) as [RangeRead];
          if (b % 10 === 0) queue.handleReadFailed(read.requestId, read.offset, ErrorCode.INTERNAL_ERROR, "", "");
          else queue.handleRead(read.requestId, read.offset, bytesOf(read));
        } else if (kind === 4) {
          const segment = queue.take(1 + (a % 5000));
          if (segment === undefined) continue;
          expect(segment.data.length).toBeGreaterThan(0);
          expect(segment.data[0]).toBe(byteAt(segment.offset));
          expect(segment.data.at(-1)).toBe(byteAt(segment.offset + segment.data.length - 1));
          sent.push({ requestId: segment.requestId, offset: segment.offset, length: segment.data.length });
        } else if (sent.length > 0) {
          const { requestId, offset, length } = sent[a % sent.length] as (typeof sent)[number];
          if (kind === 5) queue.markAcked(requestId, offset, length);
          else if (kind === 6) queue.markLost(requestId, offset, length);
        }
        while (queue.pollRefused() !== undefined);
        expect(queue.requestCount).toBeLessThanOrEqual(4);
        expect(reads.length).toBeLessThanOrEqual(4);
        expect(queue.readingBytes).toBe(reads.length * 4 * KiB);
        expect(queue.isReady).toBe(queue.readyBytes > 0);
      }
      // Everything still open ends once its reads are answered and its bytes acknowledged.
      for (let round = 0; queue.requestCount + reads.length > 0 && round < 1000; round += 1) {
        reads.push(...readAll(queue));
        for (const read of reads.splice(0)) queue.handleRead(read.requestId, read.offset, bytesOf(read));
        for (const { requestId, offset, length } of sent.splice(0)) queue.markLost(requestId, offset, length);
        for (let segment = queue.take(3000); segment !== undefined; segment = queue.take(3000))
          queue.markAcked(segment.requestId, segment.offset, segment.data.length);
      }
      expect([queue.requestCount, queue.bufferedBytes, queue.readyBytes, queue.readingBytes]).toEqual([0, 0, 0, 0]);
    }),
    { numRuns: 150 },
  );
});
