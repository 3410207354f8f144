import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { SeededRng } from "../base/rng.ts";
import { KiB, server, simulate } from "./fetch-simulation.fixture.ts";
import type { Server } from "./fetch-simulation.fixture.ts";

const MB = 1_000_000;

// spec: CONTENT-10
test("two equal sources finish within 5 % of the ideal", () => {
  const run = simulate({ servers: [server(1, 12_500, 30), server(2, 12_500, 30)], length: 50 * MB });
  expect(run.isExact).toBe(true);
  expect(run.finishedMs).toBeLessThan(1.05 * ((50 * MB) / 25_000 + 30));
  expect(run.duplicateBytes).toBeLessThan(0.02 * 50 * MB);
});

test("sources of 1 : 5 : 10 finish within 15 % of the ideal", () => {
  const run = simulate({
    servers: [server(1, 1_250, 80), server(2, 6_250, 40), server(3, 12_500, 20)],
    length: 50 * MB,
  });
  expect(run.isExact).toBe(true);
  expect(run.finishedMs).toBeLessThan(1.15 * ((50 * MB) / 20_000 + 20));
  expect(run.duplicateBytes).toBeLessThan(0.02 * 50 * MB);
});

// spec: CONTENT-12
test("a source twenty times slower does not stretch the last 5 %", () => {
  const run = simulate({ servers: [server(1, 625, 60), server(2, 12_500, 30)], length: 50 * MB });
  expect(run.isExact).toBe(true);
  expect(run.finishedMs - run.at95Ms).toBeLessThan(1.2 * 0.05 * run.finishedMs + 30);
  expect(run.finishedMs).toBeLessThan(1.05 * ((50 * MB) / 13_125 + 30));
  expect(run.duplicateBytes).toBeLessThan(0.02 * 50 * MB);
});

// spec: CONTENT-10
test("the first block does not wait for a slow source", () => {
  const run = simulate({ servers: [server(1, 100, 10), server(2, 12_500, 30)], length: 20 * MB });
  expect(run.isExact).toBe(true);
  expect(run.firstByteMs).toBeLessThan(300);
  expect(run.finishedMs).toBeLessThan(1.1 * ((20 * MB) / 12_600 + 30));
});

// spec: CONTENT-4
test("the fastest source dies at half and the rest goes on", () => {
  const run = simulate({ servers: [server(1, 2_500, 40), server(2, 12_500, 20, { diesAt: 1_600 })], length: 50 * MB });
  expect(run.isExact).toBe(true);
  expect(run.finishedMs).toBeLessThan(1.08 * (1_600 + (50 * MB - 1_600 * 15_000) / 2_500));
  expect(run.duplicateBytes).toBeLessThan(0.02 * 50 * MB);
});

// spec: CONTENT-3
test("a source that lies is isolated and named, and the bytes are right", () => {
  const run = simulate({ servers: [server(1, 5_000, 20), server(2, 20_000, 20, { lies: 0.01 })], length: 20 * MB });
  expect(run.isExact).toBe(true);
  expect(run.isolated).toEqual([{ member: 2, code: ErrorCode.CONTENT_CORRUPT }]);
});

// spec: CONTENT-9
test("a source with another version is isolated, with that as the reason", () => {
  const run = simulate({ servers: [server(1, 5_000, 20), server(2, 20_000, 20, { refuses: ErrorCode.CONTENT_VERSION })], length: 10 * MB });
  expect(run.isExact).toBe(true);
  expect(run.isolated).toEqual([{ member: 2, code: ErrorCode.CONTENT_VERSION }]);
});

// spec: CONTENT-9
test("a source that refuses twice for want of room is isolated", () => {
  const run = simulate({ servers: [server(1, 5_000, 20), server(2, 20_000, 20, { refuses: ErrorCode.LIMIT_REACHED })], length: 10 * MB });
  expect(run.isExact).toBe(true);
  expect(run.isolated).toEqual([{ member: 2, code: ErrorCode.LIMIT_REACHED }]);
});

// spec: CONTENT-14
test("a slow reader bounds what is asked for", () => {
  const run = simulate({
    servers: [server(1, 20_000, 20), server(2, 20_000, 20)],
    length: 12 * MB,
    readRate: 2_000,
    maxWindow: 4 * 1024 * KiB,
  });
  expect(run.isExact).toBe(true);
  // The bound itself is asserted at every step; the reader's pace must be kept.
  expect(run.finishedMs).toBeLessThan((12 * MB) / 2_000);
  expect(run.finishedMs).toBeGreaterThan((7 * MB) / 2_000);
});

test("a source that stalls for two seconds does not hold up the others, and is used again", () => {
  const run = simulate({
    servers: [server(1, 6_250, 20), server(2, 6_250, 20, { stall: { from: 1_000, until: 3_000 } })],
    length: 50 * MB,
  });
  expect(run.isExact).toBe(true);
  expect(run.finishedMs).toBeLessThan(1.1 * ((50 * MB + 2_000 * 6_250) / 12_500));
  expect(run.duplicateBytes).toBeLessThan(0.02 * 50 * MB);
});

test("a source that joins in the middle takes its share", () => {
  const run = simulate({ servers: [server(1, 6_250, 20), server(2, 12_500, 40, { joinsAt: 2_000 })], length: 50 * MB });
  expect(run.isExact).toBe(true);
  expect(run.finishedMs).toBeLessThan(1.08 * (2_000 + (50 * MB - 2_000 * 6_250) / 18_750 + 40));
});

test("whatever the sources do, one honest one that lives is enough", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const rng = new SeededRng(seed * 7919);
    const servers: Server[] = [{ member: 1, rate: 500 + rng.next() * 10_000, rttMs: 5 + rng.next() * 150, shuffles: rng.next() < 0.3 }];
    const count = 1 + Math.floor(rng.next() * 4);
    for (let i = 0; i < count; i += 1) {
      const server: Server = {
        member: 2 + i,
        rate: 20 + rng.next() ** 3 * 20_000,
        rttMs: 1 + rng.next() * 300,
        shuffles: rng.next() < 0.3,
      };
      const fate = rng.next();
      if (fate < 0.2) server.diesAt = rng.next() * 2_000;
      else if (fate < 0.35) server.lies = rng.next() ** 3;
      else if (fate < 0.45) server.refuses = rng.next() < 0.5 ? ErrorCode.CONTENT_NOT_FOUND : ErrorCode.INTERNAL_ERROR;
      else if (fate < 0.65) server.stall = { from: rng.next() * 1_000, until: 1_000 + rng.next() * 3_000 };
      else if (fate < 0.75) server.joinsAt = rng.next() * 1_000;
      servers.push(server);
    }
    const blockBytes = (16 * KiB) << Math.floor(rng.next() * 7);
    const run = simulate({
      servers,
      length: 1 + Math.floor(rng.next() * 8 * MB),
      blockBytes,
      seed,
      readRate: rng.next() < 0.2 ? 3_000 : Infinity,
    });
    expect({ seed, isExact: run.isExact }).toEqual({ seed, isExact: true });
    for (const { member } of run.isolated) {
      const server = servers.find((candidate) => candidate.member === member);
      expect(server?.lies !== undefined || server?.refuses !== undefined).toBe(true);
    }
  }
});

// spec: CONTENT-13
test("random honest sources are together never slower than the fastest alone, and waste little", () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const rng = new SeededRng(seed * 31337);
    const servers: Server[] = [];
    const count = 2 + Math.floor(rng.next() * 4);
    for (let i = 0; i < count; i += 1) servers.push(server(1 + i, 200 * 10 ** (rng.next() * 2), 2 + rng.next() ** 2 * 250));
    const blockBytes = (64 * KiB) << Math.floor(rng.next() * 4);
    const length = Math.floor(servers.reduce((sum, { rate }) => sum + rate, 0) * 1_500);
    const together = simulate({ servers, length, blockBytes, seed });
    const fastest = servers.reduce((best, other) => (other.rate > best.rate ? other : best));
    const alone = simulate({ servers: [fastest], length, blockBytes, seed });
    const isFast = together.finishedMs <= 1.02 * alone.finishedMs;
    expect({ seed, isFast, isExact: together.isExact }).toEqual({ seed, isFast: true, isExact: true });
    expect(together.duplicateBytes).toBeLessThanOrEqual(Math.max(0.02 * length, 3 * blockBytes));
  }
});
