import { expect, test } from "vitest";
import { BlockHashes, HASH_BYTES } from "./block-hashes.ts";

const BLOCKS = 1000;

const hashOf = (block: number): Uint8Array => new Uint8Array(HASH_BYTES).fill(block % 251);

// spec: CONTENT-8
test("hashes that are told one by one share their memory, and are those that were told", () => {
  const hashes = new BlockHashes(BLOCKS);
  for (let block = 0; block < BLOCKS; block += 1) expect(hashes.accept(block, hashOf(block), undefined)).toBeUndefined();
  expect(hashes.accept(BLOCKS, new Uint8Array(0), hashOf(5))).toBeUndefined();
  const found = Array.from({ length: BLOCKS }, (_, block) => hashes.of(block));
  expect(found).toEqual(Array.from({ length: BLOCKS }, (_, block) => hashOf(block)));
  expect(new Set(found.map((hash) => hash?.buffer)).size).toBe(1);
  expect(found[0]?.buffer.byteLength).toBe(BLOCKS * HASH_BYTES);
  expect(hashes.of(BLOCKS)).toBeUndefined();
});

test("memory grows with the hashes that came, not with the blocks that were announced", () => {
  const hashes = new BlockHashes(1 << 20);
  hashes.accept(0, hashOf(0), undefined);
  expect(hashes.of(0)?.buffer.byteLength).toBeLessThanOrEqual(4096);
});

// spec: CONTENT-8
test("the root is compared with the hashes in order, once", () => {
  const hashes = new BlockHashes(3);
  const told = [hashOf(1), hashOf(2), hashOf(3)];
  const root = hashOf(9);
  expect(hashes.accept(0, told[0] as Uint8Array, undefined)).toBeUndefined();
  expect(hashes.pollRoot()).toBeUndefined();
  expect(hashes.accept(1, Buffer.concat(told.slice(1)), root)).toBeUndefined();
  const asked = hashes.pollRoot();
  expect(Buffer.concat(asked?.hashes ?? []).equals(Buffer.concat(told))).toBe(true);
  expect(asked?.expected).toEqual(root);
  expect(hashes.pollRoot()).toBeUndefined();
});

test("hashes do not change with the message that brought them", () => {
  const hashes = new BlockHashes(2);
  const message = hashOf(4);
  hashes.accept(0, message, undefined);
  const held = hashes.of(0);
  message.fill(0);
  hashes.accept(1, hashOf(5), undefined);
  expect([held, hashes.of(0)]).toEqual([hashOf(4), hashOf(4)]);
});
