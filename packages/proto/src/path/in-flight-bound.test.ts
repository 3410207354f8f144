import { expect, test } from "vitest";
import type { DeliveryRate } from "./delivery-rate.ts";
import { InFlightWindow } from "./in-flight-window.ts";
import { RttEstimator } from "./rtt-estimator.ts";

const KiB = 1024;

/** The bound of a path whose rate stays the same, after its start and the draining that follows. */
function steadyBound(bytesPerMs: number, burstBytes: number, maxInFlightBytes = 100_000_000): number {
  const rate = { bytesPerMs, burstBytes, sampleCount: 0 };
  const rtt = new RttEstimator();
  const window = new InFlightWindow(
    { initialInFlightBytes: 128 * KiB, maxInFlightBytes },
    rate as Pick<DeliveryRate, "bytesPerMs" | "burstBytes" | "sampleCount"> as DeliveryRate,
    rtt,
  );
  for (let number = 0; number < 20; number += 1) {
    rtt.update(20, 0, number * 30);
    rate.sampleCount += 1;
    window.handleAck(number * 30, 0, number, number + 1, 16 * KiB);
  }
  expect(window.isStartup).toBe(false);
  return window.limitBytes;
}

// spec: PATH-11
test("the bound is 1.25 times rate and round trip, one burst of acknowledgements, and 2 ms of the rate", () => {
  expect(steadyBound(1_000, 0)).toBe(1.25 * 20_000 + 64 * KiB + 2_000);
  expect(steadyBound(100_000, 300_000)).toBe(1.25 * 2_000_000 + 300_000 + 200_000);
  expect(steadyBound(100_000, 5_000_000)).toBe(1.25 * 2_000_000 + 1_000_000 + 200_000);
  expect(steadyBound(100_000, 5_000_000, 8_000_000 / 4)).toBe(2_000_000);
});
