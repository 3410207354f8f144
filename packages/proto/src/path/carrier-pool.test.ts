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
  pool.giveBack(7);
  expect(pool.ownCount).toBe(1);
  expect(pool.feedbackCarrier).toBe(0);
  expect(pool.wanted(0, 60_000)).toBe(0);
});

// spec: STREAM-8, CARRIER-6
test("gives back its newest carriers, never the first, and each is out of use before its farewell", () => {
  const pool = new CarrierPool(DEFAULT_LIMITS);
  for (let id = 0; id < 4; id += 1) pool.opened(id, false);
  pool.giveBack(2);
  expect([pool.ownCount, pool.size, pool.leavingCount]).toEqual([2, 2, 2]);
  for (let sequence = 0; sequence < 8; sequence += 1) {
    expect(pool.carrierFor(streamIdOf(1, "client", "bidirectional", sequence))).toBeLessThan(2);
  }
  expect([pool.pollFarewell(), pool.pollFarewell(), pool.hasFarewell]).toEqual([3, 2, false]);
  pool.giveBack(10);
  expect([pool.pollFarewell(), pool.pollFarewell()]).toEqual([1, undefined]);
  expect(pool.ownCount).toBe(1);
});

// spec: CARRIER-6
test("a carrier that was given back is over with the peer's farewell, and one of the peer's is answered once", () => {
  const pool = new CarrierPool(DEFAULT_LIMITS);
  for (let id = 0; id < 3; id += 1) pool.opened(id, false);
  pool.opened(9, true);
  pool.giveBack(1);
  // It has not left yet, so it can't be answered.
  expect(pool.retired(2)).toBe("unasked");
  expect(pool.pollFarewell()).toBe(2);
  expect([pool.retired(2), pool.retired(2), pool.retired(1), pool.retired(77)]).toEqual(["over", "unasked", "unasked", "unasked"]);
  expect([pool.retired(9), pool.carrierFor(0) === 9, pool.size]).toEqual(["to-answer", false, 2]);
  expect([pool.retired(9), pool.pollFarewell(), pool.retired(9)]).toEqual(["unasked", 9, "unasked"]);
  expect(pool.leavingCount).toBe(1);
  expect(pool.closed(9)).toBe(false);
  expect(pool.leavingCount).toBe(0);
});

// spec: CARRIER-3, CARRIER-6
test("only the end of a carrier on which both sides have said farewell loses nothing for sure", () => {
  const pool = new CarrierPool(DEFAULT_LIMITS);
  for (let id = 0; id < 4; id += 1) pool.opened(id, false);
  for (let id = 10; id < 12; id += 1) pool.opened(id, true);
  pool.giveBack(2);
  pool.pollFarewell();
  pool.retired(10);
  // In use, given back and said so, given back and not yet said so, not yet answered, never heard of.
  expect([1, 11, 3, 2, 10, 99].map((id) => pool.closed(id))).toEqual([true, true, true, true, true, false]);
  expect([pool.hasFarewell, pool.leavingCount, pool.size]).toEqual([false, 0, 1]);
});

test("carriers that the peer leaves open although they were given back count on the limit", () => {
  const pool = new CarrierPool({ streamsPerCarrier: 1, maxCarriers: 8 });
  for (let id = 0; id < 8; id += 1) pool.opened(id, false);
  pool.giveBack(6);
  expect(pool.wanted(8, 0)).toBe(0);
  for (let farewells = 0; farewells < 6; farewells += 1) pool.pollFarewell();
  expect(pool.retired(7)).toBe("over");
  expect(pool.wanted(8, 0)).toBe(1);
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
