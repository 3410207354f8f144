import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import type { FetchCommand } from "./fetch-command.ts";
import { ContentFetch } from "./content-fetch.ts";
import { FetchSource } from "./fetch-source.ts";

const KiB = 1024;
const BLOCK = 16 * KiB;

function fetchOf(blocks: number, maxDuplicateShare = DEFAULT_LIMITS.maxDuplicateShare): ContentFetch {
  let id = 0;
  const length = blocks * BLOCK;
  const offer = { streamId: 4, offerId: 1, home: 1, streamOffset: 0, contentId: "file", version: "1", contentLength: length };
  return new ContentFetch(
    { ...offer, contentOffset: 0, length, blockBytes: BLOCK, end: true },
    { limits: { ...DEFAULT_LIMITS, maxDuplicateShare }, allocateRequestId: () => (id += 1) },
  );
}

function commands(fetch: ContentFetch, now: number): FetchCommand[] {
  const all: FetchCommand[] = [];
  for (let next = fetch.pollRequest(now); next !== undefined; next = fetch.pollRequest(now)) all.push(next);
  return all;
}

/** Commands in short: "1: 0-3" asks member 1 for blocks 0 to 3. */
function inShort(all: readonly FetchCommand[]): string[] {
  return all.map((one) =>
    one.kind === "cancel"
      ? `${one.member}: cancel ${one.requestId}`
      : `${one.member}: ${one.offset / BLOCK}-${(one.offset + one.length) / BLOCK - 1}`,
  );
}

function askedBytes(all: readonly FetchCommand[]): number {
  return all.reduce((sum, one) => sum + (one.kind === "request" ? one.length : 0), 0);
}

// spec: CONTENT-10
test("a source of which nothing is known is asked for 256 KiB, and for twice what arrives", () => {
  const fetch = fetchOf(1000);
  fetch.addSource(1, 0, 10);
  expect(askedBytes(commands(fetch, 0))).toBe(256 * KiB);
  fetch.handleRangeData(12, 1, 0, new Uint8Array(BLOCK));
  expect(askedBytes(commands(fetch, 12))).toBe(3 * BLOCK);
});

// spec: CONTENT-10
test("a run is at most sixteen blocks and half of what is left", () => {
  const fetch = fetchOf(20);
  fetch.addSource(1, 0, 10);
  expect(inShort(commands(fetch, 0))).toEqual(["1: 0-9", "1: 10-14", "1: 15-15"]);
});

// spec: CONTENT-11
test("blocks that a source will bring much too late move: one under way is fetched from both, others are cancelled", () => {
  const fetch = fetchOf(4);
  fetch.addSource(1, 0, 1);
  expect(inShort(commands(fetch, 0))).toEqual(["1: 0-1", "1: 2-2", "1: 3-3"]);
  fetch.addSource(2, 1000, 10);
  const moved = inShort(commands(fetch, 1000));
  expect([...moved].sort()).toEqual(["1: cancel 2", "1: cancel 3", "2: 0-0", "2: 1-1", "2: 2-2", "2: 3-3"]);
});

// spec: CONTENT-10
test("a run is never more than sixteen blocks, however fast its source", () => {
  const fetch = fetchOf(4000);
  fetch.handleHashes(0, new Uint8Array(32 * 4000), new Uint8Array(32));
  fetch.addSource(1, 0, 10);
  const runs: number[] = [];
  let open = commands(fetch, 0);
  for (let now = 20; now <= 400; now += 20) {
    for (const one of open) if (one.kind === "request") fetch.handleRangeData(now, one.requestId, one.offset, new Uint8Array(one.length));
    for (let wanted = fetch.pollVerify(); wanted !== undefined; wanted = fetch.pollVerify()) {
      if (wanted.kind === "block") fetch.handleVerified(now, "block", wanted.block, wanted.attempt, true);
    }
    let end = 0;
    for (let piece = fetch.pollDelivery(); piece !== undefined; piece = fetch.pollDelivery()) end = piece.offset + piece.data.length;
    fetch.setReadOffset(end, now);
    open = commands(fetch, now);
    for (const one of open) if (one.kind === "request") runs.push(one.length / BLOCK);
  }
  expect(Math.max(...runs)).toBe(16);
});

// spec: CONTENT-11
test("blocks near the head stay where they are until another source is 1.5 times and 20 ms sooner", () => {
  const fetch = fetchOf(1000);
  fetch.addSource(1, 0, 1);
  expect(inShort(commands(fetch, 0))).toEqual(["1: 0-15"]);
  fetch.addSource(2, 61, 60);
  // Silent so far, source 1 would bring blocks 0 to 3 in 60, 120, 180 and 240 ms; source 2, once it has enough to do, in 170 ms.
  const first = commands(fetch, 61);
  expect(askedBytes(first)).toBe(256 * KiB);
  expect(first.every((one) => one.kind === "request" && one.offset >= 16 * BLOCK)).toBe(true);
  // Now in 110, 220, 330 and 440 ms.
  expect(inShort(commands(fetch, 111)).filter((text) => text.startsWith("2"))).toEqual(["2: 2-2", "2: 3-3"]);
});

// spec: CONTENT-11, CONTENT-12
test("with nothing left to ask for, the last block moves to who brings it a little sooner, the earlier ones stay", () => {
  const fetch = fetchOf(4);
  fetch.addSource(1, 0, 1);
  commands(fetch, 0);
  fetch.addSource(2, 5, 10);
  expect(inShort(commands(fetch, 5))).toEqual(["2: 3-3", "1: cancel 3"]);
});

// spec: CONTENT-13
test("of two copies the first that matches wins, and the other source is told to stop", () => {
  const fetch = fetchOf(1);
  fetch.addSource(1, 0, 1);
  fetch.handleHashes(0, new Uint8Array(32), new Uint8Array(32));
  commands(fetch, 0);
  fetch.addSource(2, 1000, 10);
  expect(inShort(commands(fetch, 1000))).toEqual(["2: 0-0"]);
  fetch.handleRangeData(1001, 1, 0, new Uint8Array(BLOCK));
  fetch.pollVerify();
  const wanted = fetch.pollVerify();
  fetch.handleVerified(1001, "block", 0, wanted?.kind === "block" ? wanted.attempt : 0, true);
  expect(inShort(commands(fetch, 1001))).toEqual(["2: cancel 2"]);
  expect(fetch.pollDelivery()?.data).toHaveLength(BLOCK);
  expect(fetch.handleRangeData(1002, 2, 0, new Uint8Array(BLOCK))).toBeUndefined();
  expect(fetch.pollDelivery()).toBeUndefined();
});

// spec: CONTENT-13
test("beyond three blocks, or the share that may come twice, only a block over a second late is fetched again", () => {
  const fetch = fetchOf(8, 0);
  fetch.addSource(1, 0, 500);
  expect(inShort(commands(fetch, 0))).toEqual(["1: 0-3", "1: 4-5", "1: 6-6", "1: 7-7"]);
  // All eight are on their way as far as the round trip tells: each can only be fetched from both.
  fetch.addSource(2, 550, 10);
  expect(inShort(commands(fetch, 550))).toEqual(["2: 0-0", "2: 1-1", "2: 2-2"]);
  for (const [requestId, block] of [
    [5, 0],
    [6, 1],
    [7, 2],
  ] as const) {
    fetch.handleRangeData(570, requestId, block * BLOCK, new Uint8Array(BLOCK));
  }
  fetch.handleRangeData(570, 1, 3 * BLOCK, new Uint8Array(1));
  expect(inShort(commands(fetch, 3000))).toContain("2: 3-3");
});

// spec: CONTENT-14
test("the window begins at 4 MiB", () => {
  expect(fetchOf(1000).windowBytes).toBe(4096 * KiB);
});

// spec: CONTENT-15
test("at most 64 requests are open at one source", () => {
  const source = new FetchSource<{ readonly length: number; readonly isUrgent: boolean }>(1, 10);
  source.openRequests = 63;
  expect(source.hasRoom(0)).toBe(true);
  source.openRequests = 64;
  expect(source.hasRoom(0)).toBe(false);
});

// spec: CONTENT-9
test("a source that refuses is asked again after 250 ms, and isolated if it refuses again", () => {
  const fetch = fetchOf(1);
  fetch.addSource(1, 0, 10);
  commands(fetch, 0);
  fetch.handleRefused(10, 1, ErrorCode.LIMIT_REACHED, "busy", "");
  expect(commands(fetch, 259)).toEqual([]);
  expect(inShort(commands(fetch, 260))).toEqual(["1: 0-0"]);
  expect(fetch.pollIsolated()).toBeUndefined();
  fetch.handleRefused(270, 2, ErrorCode.LIMIT_REACHED, "busy", "");
  expect(fetch.pollIsolated()).toMatchObject({ member: 1, code: ErrorCode.LIMIT_REACHED });
});
