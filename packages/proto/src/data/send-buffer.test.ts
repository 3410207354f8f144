import { expect, test } from "vitest";
import { SendBuffer } from "./send-buffer.ts";

const KiB = 1024;

test("views that follow each other in memory are one chunk, so that frames need not end where writes did", () => {
  const memory = Uint8Array.from({ length: 100 }, (_, index) => index);
  const buffer = new SendBuffer(0);
  buffer.append(memory.subarray(0, 30));
  buffer.append(memory.subarray(30, 70));
  expect(buffer.chunkCount).toBe(1);
  expect(buffer.view(10, 60)).toEqual(memory.subarray(10, 60));
  buffer.append(memory.subarray(71, 100));
  expect(buffer.chunkCount).toBe(2);
  expect([buffer.heldBytes, buffer.endOffset]).toEqual([99, 99]);
});

test("joined chunks are acknowledged in any parts, and released when all of them are", () => {
  const memory = new Uint8Array(100);
  const buffer = new SendBuffer(0);
  for (let at = 0; at < 100; at += 10) buffer.append(memory.subarray(at, at + 10));
  buffer.acknowledge(20, 50);
  expect([buffer.heldBytes, buffer.firstHeldOffset]).toEqual([70, 0]);
  buffer.acknowledge(0, 20);
  expect(buffer.heldBytes).toBe(50);
  buffer.acknowledge(50, 100);
  expect([buffer.heldBytes, buffer.firstHeldOffset, buffer.chunkCount]).toEqual([0, 100, 0]);
});

test("nothing is joined over a gap, to what is acknowledged, or beyond a size that memory can wait for", () => {
  const memory = new Uint8Array(1024 * KiB);
  const gap = new SendBuffer(0);
  gap.append(memory.subarray(0, 10));
  gap.skip(5);
  gap.append(memory.subarray(10, 20));
  expect([gap.chunkCount, gap.nextDataOffset(10)]).toEqual([2, 15]);
  const acknowledged = new SendBuffer(0);
  acknowledged.append(memory.subarray(0, 10));
  acknowledged.acknowledge(0, 10);
  acknowledged.append(memory.subarray(10, 20));
  expect(acknowledged.view(10, 20)).toEqual(memory.subarray(10, 20));
  const large = new SendBuffer(0);
  for (let at = 0; at < memory.length; at += 64 * KiB) large.append(memory.subarray(at, at + 64 * KiB));
  expect(large.chunkCount).toBe(4);
});
