import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { RttEstimator } from "./rtt-estimator.ts";

test("follows RFC 9002 from the first sample on", () => {
  const rtt = new RttEstimator();
  expect(rtt.smoothedMs).toBeUndefined();
  rtt.update(100, 0, 0);
  expect([rtt.smoothedMs, rtt.varianceMs, rtt.minMs, rtt.latestMs]).toEqual([100, 50, 100, 100]);
  rtt.update(120, 0, 1);
  expect(rtt.varianceMs).toBeCloseTo(0.75 * 50 + 0.25 * 20);
  expect(rtt.smoothedMs).toBeCloseTo(102.5);
  expect(rtt.minMs).toBe(100);
});

test("takes the peer's delay off the sample, but never below zero", () => {
  const rtt = new RttEstimator();
  rtt.update(10, 0, 0);
  rtt.update(15, 5, 1);
  expect(rtt.smoothedMs).toBe(10);
  rtt.update(3, 5, 2);
  expect(rtt.minMs).toBeCloseTo(0);
  expect(rtt.smoothedMs).toBeGreaterThan(0);
});

// spec: PATH-6
test("computes the probe timeout from what is known, within its bounds", () => {
  const rtt = new RttEstimator();
  expect(rtt.probeTimeoutMs(DEFAULT_LIMITS)).toBe(DEFAULT_LIMITS.initialProbeTimeoutMs);
  rtt.update(1, 0, 0);
  expect(rtt.probeTimeoutMs(DEFAULT_LIMITS)).toBe(DEFAULT_LIMITS.minProbeTimeoutMs);
  for (let now = 1; now < 200; now += 1) rtt.update(300, 0, now);
  expect(rtt.probeTimeoutMs(DEFAULT_LIMITS)).toBeCloseTo(300 + DEFAULT_LIMITS.maxAckDelayMs, 0);
  const first = new RttEstimator();
  first.update(200, 0, 0);
  expect(first.probeTimeoutMs(DEFAULT_LIMITS)).toBe(200 + 4 * 100 + DEFAULT_LIMITS.maxAckDelayMs);
});

test("forgets a minimum that was not seen for more than ten seconds", () => {
  const rtt = new RttEstimator();
  rtt.update(10, 0, 0);
  for (let now = 100; now <= 9_900; now += 100) rtt.update(50, 0, now);
  expect(rtt.minMs).toBe(10);
  expect(rtt.minAgeMs(9_900)).toBe(9_900);
  for (let now = 10_000; now <= 25_000; now += 100) rtt.update(50, 0, now);
  expect(rtt.minMs).toBe(50);
  expect(rtt.minAgeMs(25_000)).toBe(0);
});
