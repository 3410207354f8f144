import { expect, test } from "vitest";
import { DEFAULT_LISTENER_LIMITS, type ListenerLimits } from "../api/listener-limits.ts";
import { AddressRange } from "../policy/address-range.ts";
import { ConnectionGate } from "./connection-gate.ts";

function gateOf(limits: Partial<ListenerLimits>, proxies: readonly string[] = []) {
  const clock = { now: 1_000 };
  const ranges = proxies.map((text) => AddressRange.parse(text));
  return { clock, gate: new ConnectionGate({ ...DEFAULT_LISTENER_LIMITS, ...limits }, () => clock.now, ranges) };
}

test("handshakes of one prefix are limited by it, those of all by all, and each says when to come again", () => {
  const { gate, clock } = gateOf({
    handshakesPerSecondPerPrefix: 10,
    handshakeBurstPerPrefix: 3,
    handshakesPerSecond: 20,
    handshakeBurst: 5,
  });
  const outcomes = ["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3", "10.0.0.4:4"].map((remote) => gate.handshake(remote));
  expect(outcomes.map((refusal) => refusal?.retryAfterMs)).toEqual([undefined, undefined, undefined, 100]);
  expect(outcomes[3]).toMatchObject({ code: 0x0f, reason: "handshake-rate", text: expect.stringContaining("10.0.0.0/24") });
  // What the first had too much of was not paid by the others.
  expect(gate.handshake("10.0.1.1:1")).toBeUndefined();
  expect(gate.handshake("[2001:db8::1]:1")).toBeUndefined();
  expect(gate.handshake("10.0.2.1:1")).toMatchObject({ retryAfterMs: 50, text: expect.stringContaining("this server") });
  clock.now += 100;
  expect(gate.handshake("10.0.0.9:1")).toBeUndefined();
});

test("places of sessions are counted by prefix and in all, and given back", () => {
  const { gate } = gateOf({ maxSessions: 3, maxSessionsPerPrefix: 2 });
  expect([gate.session("10.0.0.1:1"), gate.session("10.0.0.2:1")]).toEqual([undefined, undefined]);
  expect(gate.session("10.0.0.3:1")).toMatchObject({ reason: "sessions", text: expect.stringContaining("10.0.0.0/24") });
  expect(gate.session("10.0.1.1:1")).toBeUndefined();
  expect(gate.session("10.0.2.1:1")).toMatchObject({ reason: "sessions", text: expect.stringContaining("this server has 3") });
  gate.sessionEnded("10.0.0.1:1");
  expect(gate.session("10.0.0.3:1")).toBeUndefined();
});

test("whoever was wrong too often is not even asked, until time has passed", () => {
  const { gate, clock } = gateOf({ failedChecksPerMinutePerPrefix: 2 });
  for (let i = 0; i < 2; i += 1) {
    expect(gate.check("10.0.0.1:1")).toBeUndefined();
    gate.checkFailed("10.0.0.1:1");
  }
  expect(gate.check("10.0.0.200:1")).toMatchObject({ reason: "failed-checks", retryAfterMs: 30_000 });
  expect(gate.check("10.0.1.1:1")).toBeUndefined();
  clock.now += 30_000;
  expect(gate.check("10.0.0.1:1")).toBeUndefined();
});

test("many clients come through a proxy: it has the limits of all only", () => {
  const { gate } = gateOf(
    {
      handshakeBurstPerPrefix: 1,
      handshakesPerSecondPerPrefix: 1,
      maxSessionsPerPrefix: 1,
      pathBurstPerPrefix: 1,
      handshakeBurst: 5,
      handshakesPerSecond: 1,
    },
    ["10.9.0.0/16", "::1"],
  );
  for (const remote of ["10.9.1.1:1", "[::1]:2", "[::ffff:10.9.1.1]:3", "10.9.1.1:4"]) {
    expect([gate.handshake(remote), gate.session(remote), gate.path(remote)], remote).toEqual([undefined, undefined, undefined]);
    gate.checkFailed(remote);
    expect(gate.check(remote)).toBeUndefined();
  }
  expect(gate.handshake("10.1.1.1:1")).toBeUndefined();
  expect(gate.handshake("10.9.1.1:5")).toMatchObject({ reason: "handshake-rate" });
});
