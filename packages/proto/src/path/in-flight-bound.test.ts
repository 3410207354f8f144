import { expect, test } from "vitest";
import type { DeliveryRate } from "./delivery-rate.ts";
import { InFlightWindow } from "./in-flight-window.ts";
import { RttEstimator } from "./rtt-estimator.ts";

const KiB = 1024;

/** The bound of a path whose rate stays the same, after its start. */
function steadyBound(
  rttMs: number,
  { bytesPerMs, burstBytes = 0 }: { bytesPerMs: number; burstBytes?: number },
  maxInFlightBytes = 100_000_000,
): number {
  const rate = { bytesPerMs, burstBytes, sampleCount: 0 };
  const rtt = new RttEstimator();
  const window = new InFlightWindow(
    { initialInFlightBytes: 128 * KiB, maxInFlightBytes },
    rate as Pick<DeliveryRate, "bytesPerMs" | "burstBytes" | "sampleCount"> as DeliveryRate,
    rtt,
  );
  for (let number = 0; number < 20; number += 1) {
    rtt.update(rttMs, 0, number * 60);
    rate.sampleCount += 1;
    window.handleAck(number * 60, 16 * KiB, 0, number, number + 1, 16 * KiB);
  }
  expect(window.isStartup).toBe(false);
  return window.limitBytes;
}

// spec: PATH-11
test("the bound is 1.25 times rate and round trip, one burst of acknowledgements, and 2 ms of the rate", () => {
  expect(steadyBound(50, { bytesPerMs: 10_000 })).toBe(1.25 * 500_000 + 64 * KiB + 20_000);
  expect(steadyBound(50, { bytesPerMs: 100_000, burstBytes: 300_000 })).toBe(1.25 * 5_000_000 + 300_000 + 200_000);
  expect(steadyBound(50, { bytesPerMs: 100_000, burstBytes: 5_000_000 })).toBe(1.25 * 5_000_000 + 1_000_000 + 200_000);
  expect(steadyBound(50, { bytesPerMs: 100_000, burstBytes: 5_000_000 }, 2_000_000)).toBe(2_000_000);
  // 16 ms of the rate are no long queue anywhere.
  expect(steadyBound(4, { bytesPerMs: 1_000_000 })).toBe(1.25 * 4_000_000 + 1536 * KiB);
});

// spec: PATH-11
test("where that is nearly twice rate and round trip, the bound is 11 ms below that, or rate and round trip with burst and 2 ms", () => {
  expect(steadyBound(30, { bytesPerMs: 5_000 })).toBe(2 * 150_000 - 11 * 5_000);
  expect(steadyBound(20, { bytesPerMs: 5_000 })).toBe(100_000 + 50_000 + 10_000);
  expect(steadyBound(20, { bytesPerMs: 1_000 })).toBe(20_000 + 32 * KiB + 2_000);
  expect(steadyBound(8, { bytesPerMs: 10_000 })).toBe(80_000 + 64 * KiB + 20_000);
});

/** What may be in flight after each acknowledgement of a packet, while the rate grows with what is in flight: a path without a queue. */
test("while the rate grows, the bound grows by what is acknowledged, up to twice what was in flight; a queue ends it", () => {
  const rate = { bytesPerMs: 0, burstBytes: 0, sampleCount: 0 };
  const rtt = new RttEstimator();
  const window = new InFlightWindow(
    { initialInFlightBytes: 128 * KiB, maxInFlightBytes: 100_000_000 },
    rate as Pick<DeliveryRate, "bytesPerMs" | "burstBytes" | "sampleCount"> as DeliveryRate,
    rtt,
  );
  const acknowledge = (number: number, rttMs: number): void => {
    rtt.update(rttMs, 0, number * 20);
    rate.bytesPerMs = 20 * KiB;
    rate.sampleCount += 1;
    window.handleAck(number * 20, 16 * KiB, 128 * KiB, number, number + 1, 16 * KiB);
  };
  acknowledge(0, 20);
  const before = window.limitBytes;
  window.handleSent(before);
  acknowledge(1, 20);
  expect(window.isStartup).toBe(true);
  expect(window.limitBytes).toBeLessThanOrEqual(Math.max(before + 16 * KiB, 2 * 400 * KiB - 11 * 20 * KiB));
  acknowledge(2, 20 * 1.5 + 5);
  expect(window.isStartup).toBe(false);
  expect(window.limitBytes).toBe(2 * 400 * KiB - 11 * 20 * KiB);
});

// spec: PATH-11
test("while the capacity is being found, round trips that are a little longer stop the growth and do not end it; twice the product is the end of it", () => {
  const bdpBytes = 20 * KiB * 20;
  const rate = { bytesPerMs: 20 * KiB, burstBytes: 0, sampleCount: 0 };
  const rtt = new RttEstimator();
  const window = new InFlightWindow(
    { initialInFlightBytes: 640 * KiB, maxInFlightBytes: 100_000_000 },
    rate as Pick<DeliveryRate, "bytesPerMs" | "burstBytes" | "sampleCount"> as DeliveryRate,
    rtt,
  );
  let number = 0;
  const acknowledge = (rttMs: number): number => {
    rtt.update(rttMs, 0, number);
    window.handleSent(10 * bdpBytes);
    window.handleAck(number, 16 * KiB, 0, number, number + 1, 16 * KiB);
    number += 1;
    return window.limitBytes;
  };
  const first = acknowledge(20);
  expect(acknowledge(20)).toBe(first + 16 * KiB);
  expect(acknowledge(20 * 1.125 + 3)).toBe(first + 16 * KiB);
  expect(acknowledge(20)).toBe(first + 32 * KiB);
  for (let round = 0; round < 20; round += 1) acknowledge(20);
  expect(window.isStartup).toBe(true);
  expect(window.limitBytes).toBe(2 * bdpBytes);
});
