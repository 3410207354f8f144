import { expect, test } from "vitest";
import { ReceiveWindow } from "./receive-window.ts";

// spec: CREDIT-2
test("announces a new limit when a quarter of a window that may grow was consumed, not before", () => {
  const window = new ReceiveWindow(1000, 8000);
  expect(window.limit).toBe(1000);
  expect(window.pollUpdate()).toBeUndefined();
  window.consumed(249, 0, 10);
  expect(window.pollUpdate()).toBeUndefined();
  window.consumed(1, 1000, 10);
  expect(window.pollUpdate()).toBe(1250);
  expect(window.limit).toBe(1250);
  expect(window.pollUpdate()).toBeUndefined();
});

// spec: CREDIT-2
test("announces a new limit when an eighth of a window that may not grow was consumed", () => {
  const window = new ReceiveWindow(1000, 1000);
  window.consumed(124, 0, 10);
  expect(window.pollUpdate()).toBeUndefined();
  window.consumed(1, 0, 10);
  expect(window.pollUpdate()).toBe(1125);
  expect(window.pollUpdate()).toBeUndefined();
});

// spec: CREDIT-3
test("doubles while half of it is consumed within two round trips, up to the maximum", () => {
  const window = new ReceiveWindow(1000, 3000);
  window.consumed(125, 0, 50);
  window.consumed(125, 50, 50);
  expect(window.pollUpdate()).toBe(2250);
  expect(window.windowBytes).toBe(2000);
  window.consumed(500, 100, 50);
  expect(window.pollUpdate()).toBe(3750);
  expect(window.windowBytes).toBe(3000);
  window.consumed(750, 110, 50);
  expect(window.pollUpdate()).toBe(4500);
});

// spec: CREDIT-3
test.each([
  [50, 2000],
  [51, 1000],
])("a reader that takes a quarter in %i ms, over a round trip of 50, has a window of %i", (quarterMs, bytes) => {
  const window = new ReceiveWindow(1000, 2000);
  window.consumed(1, 0, 50);
  window.consumed(1000, 10_000, 50);
  window.pollUpdate();
  expect(window.windowBytes).toBe(1000);
  for (let quarter = 1; quarter <= 8 && window.windowBytes === 1000; quarter += 1) {
    window.consumed(250, 10_000 + quarter * quarterMs, 50);
    window.pollUpdate();
  }
  expect(window.windowBytes).toBe(bytes);
});

// spec: CREDIT-3
test("keeps its size for a slow reader, even one that reads in bursts", () => {
  const window = new ReceiveWindow(1000, 8000);
  window.consumed(1, 0, 50);
  for (let burst = 1; burst < 10; burst += 1) {
    for (let i = 0; i < 10; i += 1) {
      window.consumed(100, burst * 10_000, 50);
      window.pollUpdate();
    }
    expect(window.windowBytes).toBe(1000);
  }
});

// spec: CREDIT-3
test("assumes 20 ms while no round trip was measured, and takes 5 ms as the shortest", () => {
  const unknown = new ReceiveWindow(1000, 8000);
  unknown.consumed(1, 0, undefined);
  unknown.consumed(600, 40, undefined);
  unknown.pollUpdate();
  expect(unknown.windowBytes).toBe(2000);
  unknown.consumed(2000, 81, undefined);
  unknown.pollUpdate();
  expect(unknown.windowBytes).toBe(2000);

  const near = new ReceiveWindow(1000, 8000);
  near.consumed(1, 0, 0.1);
  near.consumed(600, 10, 0.1);
  near.pollUpdate();
  expect(near.windowBytes).toBe(2000);
});

test("a lower maximum takes nothing back", () => {
  const window = new ReceiveWindow(1000, 1000);
  window.setMaxBytes(200);
  expect([window.limit, window.windowBytes]).toEqual([1000, 200]);
  window.consumed(800, 0, 10);
  expect(window.pollUpdate()).toBeUndefined();
  window.consumed(100, 0, 10);
  expect(window.pollUpdate()).toBe(1100);
});
