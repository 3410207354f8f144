import fc from "fast-check";
import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { ErrorCode } from "../base/error-codes.ts";
import { ContentFetch } from "./content-fetch.ts";
import type { ContentOffer } from "./content-fetch.ts";

const KiB = 1024;
const BLOCK = 16 * KiB;

const OFFER: ContentOffer = {
  streamId: 4,
  offerId: 1,
  home: 1,
  streamOffset: 100,
  contentId: "file",
  version: "1",
  contentLength: 10 * BLOCK + 5,
  contentOffset: 2 * BLOCK,
  length: 8 * BLOCK + 5,
  blockBytes: BLOCK,
  end: true,
};

function fetchOf(offer: Partial<ContentOffer> = {}, windowBytes?: number): ContentFetch {
  let id = 0;
  const options = { limits: DEFAULT_LIMITS, allocateRequestId: () => (id += 1) };
  return new ContentFetch({ ...OFFER, ...offer }, windowBytes === undefined ? options : { ...options, windowBytes });
}

// spec: CONTENT-6, CONTENT-7
test("offers that cannot be followed are named", () => {
  const bad = (change: Partial<ContentOffer>) => ContentFetch.validate({ ...OFFER, ...change }, DEFAULT_LIMITS)?.code;
  expect(bad({})).toBeUndefined();
  expect(bad({ blockBytes: 48 * KiB })).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(bad({ blockBytes: 8 * KiB })).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(bad({ blockBytes: 8 * 1024 * KiB })).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(bad({ contentOffset: 1 })).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(bad({ length: 0 })).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(bad({ length: 9 * BLOCK })).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(bad({ streamOffset: Number.MAX_SAFE_INTEGER })).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(bad({ contentId: "" })).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(bad({ contentLength: 2 ** 50, length: 2 ** 49, contentOffset: 0 })).toBe(ErrorCode.TOO_LARGE);
  expect(ContentFetch.validate(OFFER, { maxContentWindowBytes: 2 * BLOCK })?.code).toBe(ErrorCode.TOO_LARGE);
  const [longest, tooLong] = ["x".repeat(1024), "x".repeat(1025)];
  expect(bad({ contentId: longest, version: longest })).toBeUndefined();
  expect([bad({ contentId: tooLong }), bad({ version: tooLong })]).toEqual([ErrorCode.TOO_LARGE, ErrorCode.TOO_LARGE]);
  const most = 2 ** 20 * BLOCK;
  expect(bad({ contentLength: most + 1, length: most, contentOffset: 0 })).toBeUndefined();
  expect(bad({ contentLength: most + 1, length: most + 1, contentOffset: 0 })).toBe(ErrorCode.TOO_LARGE);
});

// spec: CONTENT-6, CONTENT-9
test("requests are of whole blocks in content offsets, the last cut to the part's end", () => {
  const fetch = fetchOf();
  fetch.addSource(1, 0, 10);
  expect(fetch.pollRequest(0)).toEqual({ kind: "request", member: 1, requestId: 1, offset: 2 * BLOCK, length: 4 * BLOCK, isUrgent: false });
  let end = 6 * BLOCK;
  for (let next = fetch.pollRequest(0); next !== undefined; next = fetch.pollRequest(0)) {
    expect(next).toMatchObject({ kind: "request", offset: end });
    if (next.kind === "request") end += next.length;
  }
  expect(end).toBe(10 * BLOCK + 5);
});

// spec: CONTENT-9
test("bytes outside the request are a violation, bytes for a request that is over count as duplicates", () => {
  const fetch = fetchOf();
  fetch.addSource(1, 0, 10);
  const request = fetch.pollRequest(0);
  expect(request?.kind).toBe("request");
  expect(fetch.handleRangeData(20, 1, 2 * BLOCK - 1, new Uint8Array(2))?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(fetch.handleRangeData(20, 1, 6 * BLOCK - 1, new Uint8Array(2))?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(fetch.handleRangeData(20, 99, 0, new Uint8Array(7))).toBeUndefined();
  expect(fetch.duplicateBytes).toBe(7);
  expect([fetch.ownerOf(1), fetch.ownerOf(99)]).toEqual([1, undefined]);
});

// spec: CONTENT-3, CONTENT-8
test("a block waits for its hash, and its bytes for the verdict", () => {
  const fetch = fetchOf({ length: BLOCK, contentLength: 3 * BLOCK });
  fetch.addSource(1, 0, 10);
  fetch.pollRequest(0);
  expect(fetch.handleRangeData(20, 1, 2 * BLOCK, new Uint8Array(BLOCK))).toBeUndefined();
  expect(fetch.pollVerify()).toBeUndefined();
  expect(fetch.handleHashes(0, new Uint8Array(32), new Uint8Array(32).fill(9))).toBeUndefined();
  expect(fetch.pollVerify()).toMatchObject({ kind: "root", expected: new Uint8Array(32).fill(9) });
  const wanted = fetch.pollVerify();
  expect(wanted).toMatchObject({ kind: "block", block: 0 });
  expect(fetch.pollDelivery()).toBeUndefined();
  fetch.handleVerified(21, "block", 0, wanted?.kind === "block" ? wanted.attempt : 0, true);
  expect(fetch.pollDelivery()).toEqual({ offset: 100, data: new Uint8Array(BLOCK) });
  expect(fetch.isComplete).toBe(false);
  fetch.handleVerified(21, "root", 0, 0, true);
  expect([fetch.isComplete, fetch.bufferedBytes, fetch.outstandingBytes]).toEqual([true, 0, 0]);
});

// spec: CONTENT-8
test("hashes that do not match their root end the fetch", () => {
  const fetch = fetchOf();
  expect(fetch.handleHashes(0, new Uint8Array(32 * 9), new Uint8Array(32))).toBeUndefined();
  fetch.pollVerify();
  fetch.handleVerified(0, "root", 0, 0, false);
  expect(fetch.failure?.code).toBe(ErrorCode.CONTENT_CORRUPT);
});

// spec: CONTENT-8
test("hashes out of order, cut, too many or with an early root are violations", () => {
  const code = (first: number, bytes: number, root?: Uint8Array) => fetchOf().handleHashes(first, new Uint8Array(bytes), root)?.code;
  expect(code(1, 32)).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(code(0, 33)).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(code(0, 0)).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(code(0, 32 * 10)).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(code(0, 32 * 8, new Uint8Array(32))).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(code(0, 32 * 9, new Uint8Array(31))).toBe(ErrorCode.PROTOCOL_VIOLATION);
});

// spec: CONTENT-4, CONTENT-13
test("what a suspect source owes is asked of another at once, and its own bytes still count if they come first", () => {
  const fetch = fetchOf({ length: BLOCK, contentLength: 3 * BLOCK });
  fetch.addSource(1, 0, 10);
  fetch.addSource(2, 0, 100);
  fetch.handleHashes(0, new Uint8Array(32), new Uint8Array(32));
  expect(fetch.pollRequest(0)).toMatchObject({ kind: "request", member: 1, requestId: 1 });
  expect(fetch.pollRequest(0)).toBeUndefined();
  fetch.suspectSource(1, 50);
  expect(fetch.pollRequest(50)).toMatchObject({ kind: "request", member: 2, requestId: 2 });
  fetch.handleRangeData(60, 1, 2 * BLOCK, new Uint8Array(BLOCK));
  fetch.pollVerify();
  const wanted = fetch.pollVerify();
  fetch.handleVerified(60, "block", 0, wanted?.kind === "block" ? wanted.attempt : 0, true);
  expect(fetch.pollRequest(60)).toEqual({ kind: "cancel", member: 2, requestId: 2 });
});

test("with no source left the fetch is starved, and giving up names why", () => {
  const fetch = fetchOf();
  expect(fetch.isStarved).toBe(true);
  fetch.addSource(1, 0, 10);
  expect(fetch.isStarved).toBe(false);
  fetch.pollRequest(0);
  fetch.removeSource(1, 5);
  expect([fetch.isStarved, fetch.outstandingBytes, fetch.nextTimeout()]).toEqual([true, 0, undefined]);
  fetch.giveUp(ErrorCode.CONTENT_UNAVAILABLE, "no server left");
  expect(fetch.failure).toEqual({ code: ErrorCode.CONTENT_UNAVAILABLE, reason: "no server left" });
  // Whoever is out of reach is told of it later, or not at all: that is the session's to know.
  expect(fetch.pollRequest(6)).toMatchObject({ kind: "cancel", member: 1 });
  expect(fetch.pollRequest(6)).toBeUndefined();
});

// spec: CONTENT-14
test("under any order of events nothing throws, memory stays in the window and every byte comes once", () => {
  const operation = fc.record({ kind: fc.nat(12), a: fc.nat(), b: fc.nat(), wait: fc.integer({ min: 0, max: 400 }) });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 250 }), fc.integer({ min: 1, max: 300 * BLOCK }), (operations, length) => {
      const fetch = fetchOf({ length, contentLength: length + 2 * BLOCK }, 64 * KiB);
      const blocks = Math.ceil(length / BLOCK);
      const open: { requestId: number; offset: number; left: number }[] = [];
      const verifying: { block: number; attempt: number }[] = [];
      const delivered = new Set<number>();
      let deliveredBytes = 0;
      let hashes = 0;
      let now = 0;
      const step = (kind: number, a: number, b: number): void => {
        const member = 1 + (a % 3);
        if (kind === 0) fetch.addSource(member, now, b % 300);
        else if (kind === 1 && b % 4 === 0) fetch.removeSource(member, now);
        else if (kind === 2) fetch.suspectSource(member, now);
        else if (kind === 3) fetch.recoverSource(member, now);
        else if (kind === 4 && hashes < blocks) {
          const count = Math.min(blocks - hashes, 1 + (a % 64));
          expect(
            fetch.handleHashes(hashes, new Uint8Array(count * 32), hashes + count === blocks ? new Uint8Array(32) : undefined),
          ).toBeUndefined();
          hashes += count;
        } else if (kind === 5 && open.length > 0 && b % 8 === 0) {
          const [request] = open.splice(a % open.length, 1) as [(typeof open)[number]];
          fetch.handleRefused(now, request.requestId, b % 64 === 0 ? ErrorCode.CONTENT_VERSION : ErrorCode.LIMIT_REACHED, "", "");
        } else if (kind === 6) fetch.setReadOffset(2 * BLOCK + deliveredBytes, now);
        else if (kind === 7) fetch.handleTimeout(now);
        else if (kind === 8 && verifying.length > 0) {
          const [item] = verifying.splice(a % verifying.length, 1) as [(typeof verifying)[number]];
          fetch.handleVerified(now, "block", item.block, item.attempt, b % 40 !== 0);
        } else if (open.length > 0) {
          const index = a % open.length;
          const request = open[index] as (typeof open)[number];
          const count = Math.min(request.left, 1 + (b % (2 * BLOCK)));
          expect(fetch.handleRangeData(now, request.requestId, request.offset, new Uint8Array(count))).toBeUndefined();
          request.offset += count;
          request.left -= count;
          if (request.left === 0) open.splice(index, 1);
        }
        for (let wanted = fetch.pollVerify(); wanted !== undefined; wanted = fetch.pollVerify()) {
          if (wanted.kind === "root") fetch.handleVerified(now, "root", 0, 0, true);
          else verifying.push({ block: wanted.block, attempt: wanted.attempt });
        }
        for (let piece = fetch.pollDelivery(); piece !== undefined; piece = fetch.pollDelivery()) {
          expect(delivered.has(piece.offset)).toBe(false);
          delivered.add(piece.offset);
          deliveredBytes += piece.data.length;
        }
        let commands = 0;
        for (let next = fetch.pollRequest(now); next !== undefined; next = fetch.pollRequest(now)) {
          expect((commands += 1)).toBeLessThan(1000);
          if (next.kind === "request") open.push({ requestId: next.requestId, offset: next.offset, left: next.length });
        }
        while (fetch.pollIsolated() !== undefined);
        expect(fetch.outstandingBytes).toBeGreaterThanOrEqual(0);
        expect(fetch.bufferedBytes).toBeGreaterThanOrEqual(0);
        expect(fetch.bufferedBytes + fetch.outstandingBytes).toBeLessThanOrEqual(fetch.windowBytes);
        const due = fetch.nextTimeout();
        expect(due === undefined || Number.isFinite(due)).toBe(true);
      };
      for (const { kind, a, b, wait } of operations) {
        now += wait;
        step(kind, a, b);
      }
      // An honest source that came late ends it all.
      fetch.addSource(9, now, 10);
      for (let round = 0; round < 5000 && !fetch.isComplete; round += 1) {
        now += 20;
        step(round % 2 === 0 ? 4 : 6, 63, 1);
        for (const item of verifying.splice(0)) fetch.handleVerified(now, "block", item.block, item.attempt, true);
        step(9, 0, 2 * BLOCK - 1);
        if (open.length === 0) step(7, 0, 0);
      }
      expect([fetch.isComplete, deliveredBytes, fetch.bufferedBytes, fetch.outstandingBytes]).toEqual([true, length, 0, 0]);
    }),
    { numRuns: 150 },
  );
});
