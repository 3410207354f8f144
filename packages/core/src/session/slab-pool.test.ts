import { expect, test } from "vitest";
import type { Resting } from "../driver/session-driver.ts";
import { SLAB_BYTES, SlabPool } from "./slab-pool.ts";

/** A pool, and the timer that settles what asked for it. */
function staged() {
  const resting: Resting[] = [];
  const pool = new SlabPool((one) => resting.push(one));
  const tick = (isOver = false): number => {
    const told = resting.splice(0);
    for (const one of told) one.settle(isOver);
    return told.length;
  };
  return { pool, tick };
}

test("a pool that is used keeps its slabs, and asks for one call at a time", () => {
  const { pool, tick } = staged();
  const slab = pool.take();
  expect(slab).toHaveLength(SLAB_BYTES);
  const other = pool.take();
  pool.give(other);
  pool.give(slab);
  expect(tick()).toBe(1);
  expect(pool.take()).toBe(slab);
});

test("lets go of its memory by itself when nobody wrote for a while, whether or not a stream is left", () => {
  const { pool, tick } = staged();
  const slab = pool.take();
  pool.give(slab);
  expect([tick(), tick(), tick()]).toEqual([1, 1, 0]);
  expect(pool.take()).not.toBe(slab);
});

test("lets go at once when all is over, although it was in use", () => {
  const { pool, tick } = staged();
  const slab = pool.take();
  pool.give(slab);
  expect([tick(true), tick(true)]).toEqual([1, 0]);
  expect(pool.take()).not.toBe(slab);
});

test("what comes back later is let go as well", () => {
  const { pool, tick } = staged();
  const slab = pool.take();
  expect(tick()).toBe(0);
  pool.give(slab);
  expect([tick(), tick(), tick()]).toEqual([1, 1, 0]);
  expect(pool.take()).not.toBe(slab);
});

test("keeps no more than may be in flight and written ahead", () => {
  const { pool } = staged();
  const slabs = Array.from({ length: 280 }, () => pool.take());
  for (const slab of slabs) pool.give(slab);
  const again = new Set(Array.from({ length: 280 }, () => pool.take()));
  expect(slabs.filter((slab) => again.has(slab)).length * SLAB_BYTES).toBe(16 * 1024 * 1024);
});
