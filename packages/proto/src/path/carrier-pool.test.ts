import { expect, test } from "vitest";
import { streamIdOf } from "../base/ids.ts";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { CarrierPool } from "./carrier-pool.ts";

// spec: STREAM-8
test("wants one carrier for about four streams, at least one, never more than the limit", () => {
  const pool = new CarrierPool(DEFAULT_LIMITS);
  expect(pool.wanted(0, 0)).toBe(1);
  expect(pool.wanted(5, 0)).toBe(2);
  expect(pool.wanted(10_000, 0)).toBe(DEFAULT_LIMITS.maxCarriers);
  pool.opened(10, false);
  expect(pool.wanted(4, 0)).toBe(0);
  expect(pool.wanted(9, 0)).toBe(2);
});

test("gives carriers back only after the load was low for a while", () => {
  const pool = new CarrierPool(DEFAULT_LIMITS);
  for (let id = 0; id < 8; id += 1) pool.opened(id, false);
  expect(pool.wanted(4, 0)).toBe(0);
  expect(pool.wanted(32, 3_000)).toBe(0);
  expect(pool.wanted(4, 4_000)).toBe(0);
  expect(pool.wanted(4, 8_900)).toBe(0);
  expect(pool.wanted(4, 9_100)).toBe(-7);
  expect(pool.retirable).toBe(7);
  for (let id = 1; id < 8; id += 1) pool.closed(id);
  expect(pool.wanted(0, 60_000)).toBe(0);
  expect(pool.retirable).toBeUndefined();
});

// spec: STREAM-8
test("prefers carriers of the receiver for data and its own for feedback", () => {
  const pool = new CarrierPool(DEFAULT_LIMITS);
  expect(pool.carrierFor(0)).toBeUndefined();
  expect(pool.feedbackCarrier).toBeUndefined();
  pool.opened(5, true);
  expect(pool.feedbackCarrier).toBe(5);
  pool.opened(6, false);
  expect(pool.feedbackCarrier).toBe(6);
  expect(pool.carrierFor(0)).toBe(5);
  pool.closed(5);
  expect(pool.carrierFor(0)).toBe(6);
  expect(pool.size).toBe(1);
});

test("streams keep their carrier and are spread evenly", () => {
  const pool = new CarrierPool(DEFAULT_LIMITS);
  for (let id = 0; id < 4; id += 1) pool.opened(id, false);
  const used = new Map<number, number>();
  for (let sequence = 0; sequence < 40; sequence += 1) {
    const id = streamIdOf(1, "client", "bidirectional", sequence);
    const carrier = pool.carrierFor(id) ?? -1;
    expect(pool.carrierFor(id)).toBe(carrier);
    used.set(carrier, (used.get(carrier) ?? 0) + 1);
  }
  expect([...used.values()]).toEqual([10, 10, 10, 10]);
});
