import { Arrival } from "@kwik/core";
import { expect, test } from "vitest";
import { LentMemory } from "./lent-memory.ts";

const KiB = 1024;

/** A slab as a socket fills it: held by whoever made it until `release`. */
function slab(): { bytes: Uint8Array; arrival: Arrival } {
  const bytes = new Uint8Array(64 * KiB);
  const arrival = Arrival.of(bytes);
  if (arrival === undefined) throw new Error("this Node cannot give memory back");
  return { bytes, arrival };
}

test("memory stays while ws may hold some of it, and is given back with the first message that was told in later memory", () => {
  const lent = new LentMemory();
  const [first, second] = [slab(), slab()];
  lent.lend(first.bytes.subarray(0, 40 * KiB), first.arrival);
  lent.lend(first.bytes.subarray(40 * KiB), first.arrival);
  first.arrival.release();
  expect(lent.arrivalOf(first.bytes.subarray(4, 30 * KiB))).toBe(first.arrival);
  lent.settle();
  // The rest of it is the beginning of a message that goes on in the next slab.
  expect(first.bytes.length).toBe(64 * KiB);
  lent.lend(second.bytes, second.arrival);
  second.arrival.release();
  expect(first.bytes.length).toBe(64 * KiB);
  const joined = new Uint8Array(50 * KiB);
  expect(lent.arrivalOf(joined)).toBeDefined();
  lent.settle();
  expect([first.bytes.length, joined.length, second.bytes.length]).toEqual([0, 0, 64 * KiB]);
});

test("what somebody else holds of a message stays, and so does memory that cannot be given back", () => {
  const lent = new LentMemory();
  const { bytes, arrival } = slab();
  lent.lend(bytes, arrival);
  arrival.release();
  const message = bytes.subarray(10, 20 * KiB);
  lent.arrivalOf(message)?.hold();
  lent.settle();
  const next = slab();
  lent.lend(next.bytes, next.arrival);
  lent.settle();
  expect(message.length).toBe(20 * KiB - 10);
  arrival.release();
  expect(message.length).toBe(0);

  const shared = new Uint8Array(64 * KiB);
  lent.lend(shared, undefined);
  expect(lent.arrivalOf(shared.subarray(10))).toBeUndefined();
  lent.settle();
  expect(shared.length).toBe(64 * KiB);
});
