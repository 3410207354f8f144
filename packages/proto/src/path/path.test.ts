import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { Path } from "./path.ts";

function activePath(now = 0): Path<string> {
  const path = new Path<string>(3, 1, DEFAULT_LIMITS, now);
  path.setState("active", "joined", now);
  return path;
}

function send(path: Path<string>, now: number, bytes = 1000, frame = "frame"): number {
  const number = path.nextPacketNumber();
  path.handleSent(now, number, bytes, true, [frame]);
  return number;
}

function ack(largest: number, smallest = 0): { pathId: number; largest: number; delayMicros: number; ranges: number[] } {
  return { pathId: 3, largest, delayMicros: 0, ranges: [smallest, largest] };
}

// spec: PATH-4
test("numbers its packets from 0 without a gap", () => {
  const path = activePath();
  expect(path.lastPacketNumber).toBe(-1);
  expect(path.peekPacketNumber()).toBe(0);
  expect([path.nextPacketNumber(), path.nextPacketNumber()]).toEqual([0, 1]);
  expect(path.lastPacketNumber).toBe(1);
});

test("an acknowledgement gives the frames back, frees room and teaches the round trip", () => {
  const path = activePath();
  send(path, 0, 1000, "a");
  send(path, 1, 2000, "b");
  expect(path.inFlightBytes).toBe(3000);
  expect(path.roomBytes).toBe(DEFAULT_LIMITS.initialInFlightBytes - 3000);
  const acked = path.handleAck(21, ack(1));
  expect(Array.isArray(acked) && acked.flatMap((packet) => packet.frames)).toEqual(["a", "b"]);
  expect(path.inFlightBytes).toBe(0);
  expect(path.smoothedRttMs).toBe(20);
  expect(path.handleAck(22, ack(1))).toEqual([]);
});

test("an acknowledgement of a packet that was never sent is a violation", () => {
  const path = activePath();
  send(path, 0);
  expect(path.handleAck(1, ack(1))).toMatchObject({ code: ErrorCode.PROTOCOL_VIOLATION });
});

test("packets that elicit no acknowledgement are not in flight, but may be acknowledged", () => {
  const path = activePath();
  path.handleSent(0, path.nextPacketNumber(), 500, false, []);
  expect(path.inFlightBytes).toBe(0);
  expect(path.oldestSentAt).toBeUndefined();
  expect(path.handleAck(10, ack(0))).toEqual([]);
});

// spec: PATH-4
test("a packet number that comes twice is a violation", () => {
  const path = activePath();
  expect(path.handlePacket(0, 0, true, 10)).toBe(true);
  expect(path.handlePacket(0, 0, true, 10)).toMatchObject({ code: ErrorCode.PROTOCOL_VIOLATION });
});

test("gives an acknowledgement only when it is due", () => {
  const path = activePath();
  path.handlePacket(10, 0, true, 10);
  expect(path.pollAck(10)).toBeUndefined();
  expect(path.ackDueAt).toBe(10 + DEFAULT_LIMITS.maxAckDelayMs);
  path.requestAck();
  expect(path.pollAck(10)).toMatchObject({ pathId: 3, largest: 0, ranges: [0, 0] });
  expect(path.ackDueAt).toBeUndefined();
});

test("a packet whose carrier lagged does not count as a round trip", () => {
  const path = activePath();
  send(path, 0);
  for (let i = 1; i < 4; i += 1) send(path, 0);
  path.handleAck(20, ack(3, 1));
  path.handleAck(500, ack(3, 0));
  expect(path.smoothedRttMs).toBe(20);
});

// spec: RESUME-3
test("the time for which an acknowledgement lay unread while the process slept is no round trip", () => {
  const path = activePath();
  send(path, 0);
  path.handleAck(20, ack(0));
  send(path, 1_000);
  path.wokeUp(61_000);
  path.handleAck(61_000, ack(1));
  expect(path.smoothedRttMs).toBe(20);
  send(path, 61_010);
  path.handleAck(61_038, ack(2));
  expect(path.smoothedRttMs).toBe(21);
});

test("has no liveness before it is in use, and starts its clock then", () => {
  const path = new Path<string>(3, 1, DEFAULT_LIMITS, 0);
  send(path, 0);
  expect(path.nextTimeout()).toBeUndefined();
  expect(path.handleTimeout(60_000)).toBeUndefined();
  path.setState("active", "joined", 60_000);
  expect(path.nextTimeout()).toBe(60_000 + DEFAULT_LIMITS.initialProbeTimeoutMs);
});

test("is suspect until an acknowledgement, also of packets that were taken away meanwhile", () => {
  const path = activePath();
  send(path, 0, 1000, "x");
  const at = path.nextTimeout() ?? 0;
  expect(path.handleTimeout(at)).toBe("suspect");
  expect(path.state).toBe("active");
  expect(path.takeUnacknowledged().map((packet) => packet.frames[0])).toEqual(["x"]);
  expect(path.isSuspect).toBe(true);
  expect(path.handleAck(at + 5, ack(0))).toEqual([]);
  expect(path.isSuspect).toBe(false);
});

test("an old acknowledgement that says nothing new does not end a suspicion", () => {
  const path = activePath();
  send(path, 0);
  path.handleAck(10, ack(0));
  send(path, 20);
  const at = path.nextTimeout() ?? 0;
  expect(path.handleTimeout(at)).toBe("suspect");
  path.handleAck(at + 1, ack(0));
  expect(path.isSuspect).toBe(true);
});

// spec: PATH-5
test("while a large packet is missing, only a large one that arrived ends a suspicion", () => {
  const path = activePath();
  send(path, 0, 20_000, "large");
  const at = path.nextTimeout() ?? 0;
  expect(path.handleTimeout(at)).toBe("suspect");
  const probe = send(path, at, 1024, "probe");
  path.handleAck(at + 5, ack(probe, probe));
  expect(path.isSuspect).toBe(true);
  const next = send(path, at + 6, 1025, "next");
  path.handleAck(at + 10, ack(next, next));
  expect(path.isSuspect).toBe(false);
});

// spec: PATH-5
test("while only small packets are missing, a small one that arrived ends a suspicion", () => {
  const path = activePath();
  send(path, 0, 1024, "small");
  const at = path.nextTimeout() ?? 0;
  expect(path.handleTimeout(at)).toBe("suspect");
  const probe = send(path, at, 100, "probe");
  path.handleAck(at + 5, ack(probe, probe));
  expect(path.isSuspect).toBe(false);
});

// spec: PATH-2
test("final states stay", () => {
  const path = activePath();
  path.setState("dead", "silent", 100);
  path.setState("active", "?", 200);
  expect([path.state, path.stateReason, path.since]).toEqual(["dead", "silent", 100]);
  expect(path.isFinal).toBe(true);
  expect(path.nextTimeout()).toBeUndefined();
});

test("packets fit the path: small ones on slow paths, never more than there is room for", () => {
  const path = activePath();
  expect(path.packetBytes()).toBe(16 * 1024);
  for (let now = 0; now < 2_000; now += 20) {
    send(path, now, 2_000);
    path.handleAck(now + 20, ack(path.lastPacketNumber));
  }
  expect(path.packetBytes()).toBe(8 * 1024);
  send(path, 2_000, path.roomBytes - 3_000);
  expect(path.packetBytes()).toBe(3_000);
});

test("counts what went out, what went out again and what came in", () => {
  const path = activePath();
  path.handleSent(0, path.nextPacketNumber(), 100, true, [], true);
  path.handleSent(0, path.nextPacketNumber(), 50, false, []);
  path.heard(0, 700);
  expect([path.bytesSent, path.bytesResent, path.packetsSent, path.bytesReceived]).toEqual([150, 100, 2, 700]);
});

test("the arrival rate follows the last second", () => {
  const path = activePath(50_000);
  for (let now = 50_000; now < 53_000; now += 10) path.heard(now, 1000);
  expect(path.receiveRate(53_000) / 100_000).toBeCloseTo(1, 1);
  expect(path.receiveRate(53_500) / 50_000).toBeCloseTo(1, 0);
  expect(path.receiveRate(60_000)).toBe(0);
});
