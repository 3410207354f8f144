import { expect, test } from "vitest";
import { DeliveryRate } from "./delivery-rate.ts";

/** Packets of 1000 bytes leave each millisecond and are acknowledged `rttMs` later, in bursts of `burst`. */
function steady(rate: DeliveryRate, rttMs: number, burst: number, from: number, until: number, bytes = 1000): void {
  let waiting = 0;
  for (let now = from; now < until; now += 1) {
    if (now - from >= rttMs) {
      waiting += 1;
      if (waiting === burst) {
        rate.handleAck(now, burst * bytes, now - rttMs, rttMs, rttMs);
        waiting = 0;
      }
    }
    rate.handleSent(now, 1);
  }
}

test("measures a steady flow", () => {
  const rate = new DeliveryRate();
  steady(rate, 20, 1, 0, 400);
  expect(rate.bytesPerMs).toBeCloseTo(1000, 0);
  expect(rate.deliveredBytes).toBe(380_000);
});

test("is not fooled by acknowledgements that come in bursts, and knows how large they are", () => {
  const rate = new DeliveryRate();
  steady(rate, 20, 10, 0, 800);
  expect(rate.bytesPerMs).toBeGreaterThan(900);
  expect(rate.bytesPerMs).toBeLessThan(1_050);
  expect(rate.burstBytes).toBeGreaterThanOrEqual(9_000);
  expect(rate.burstBytes).toBeLessThan(25_000);
});

test("acknowledgements held up and released together do not raise the rate", () => {
  const rate = new DeliveryRate();
  steady(rate, 20, 1, 0, 400);
  rate.handleAck(479, 50_000, 459, 20, 20);
  rate.handleAck(480, 31_000, 460, 20, 20);
  expect(rate.bytesPerMs).toBeLessThan(1_100);
});

test("a sender without data does not lower the rate, but may raise it", () => {
  const rate = new DeliveryRate();
  steady(rate, 20, 1, 0, 400);
  for (let now = 400; now < 3_000; now += 50) {
    rate.setAppLimited(0);
    rate.handleSent(now, 0);
    rate.setAppLimited(1000);
    rate.handleAck(now + 20, 1000, now, 20, 20);
  }
  expect(rate.bytesPerMs).toBeCloseTo(1000, 0);
  rate.setAppLimited(0);
  rate.handleSent(4_000, 0);
  rate.setAppLimited(60_000);
  rate.handleAck(4_020, 60_000, 4_000, 20, 20);
  expect(rate.bytesPerMs).toBeCloseTo(3000, 0);
});

test("a slower path is believed after its window", () => {
  const rate = new DeliveryRate();
  steady(rate, 20, 1, 0, 400);
  steady(rate, 20, 1, 400, 1_300, 100);
  expect(rate.bytesPerMs).toBeLessThan(110);
});
