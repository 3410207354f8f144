import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { SeededRng } from "../base/rng.ts";
import { ContentFetch } from "./content-fetch.ts";
import type { ContentOffer } from "./content-fetch.ts";

/** A server of the simulation: answers requests in order, at its rate, half a round trip after they were sent. */
interface Server {
  member: number;
  /** Bytes per millisecond. */
  rate: number;
  rttMs: number;
  /** From then on nothing comes from it. */
  diesAt?: number;
  /** Nothing leaves it within. */
  stall?: { from: number; until: number };
  /** Flips a byte in about this share of its pieces. */
  lies?: number;
  refuses?: ErrorCode;
  /** Sends the pieces of a request in another order. */
  shuffles?: boolean;
  joinsAt?: number;
}

function server(member: number, rate: number, rttMs: number, more: Partial<Server> = {}): Server {
  return { member, rate, rttMs, ...more };
}

interface Outcome {
  finishedMs: number;
  firstByteMs: number;
  /** When the last 5 % began to be missing. */
  at95Ms: number;
  duplicateBytes: number;
  isolated: { member: number; code: number }[];
  received: Map<number, number>;
  requests: number;
  isExact: boolean;
  fetch: ContentFetch;
}

const KiB = 1024;
const PIECE = 16 * KiB;

function contentOf(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = seed | 1;
  for (let i = 0; i < words.length; i += 1) {
    x = Math.imul(x, 1664525) + 1013904223;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Stands in for SHA-256: it need not be strong, only different for different bytes. */
function digest(parts: readonly Uint8Array[]): Uint8Array {
  let a = 0x811c9dc5;
  let b = 7;
  for (const part of parts) {
    const words =
      part.byteOffset % 4 === 0
        ? new Int32Array(part.buffer, part.byteOffset, part.length >> 2)
        : new Int32Array(part.slice(0, part.length & ~3).buffer);
    for (let i = 0; i < words.length; i += 1) {
      a = Math.imul(a ^ (words[i] as number), 0x01000193);
      b = (b + a) | 0;
    }
    for (let i = part.length & ~3; i < part.length; i += 1) a = Math.imul(a ^ (part[i] as number), 0x01000193);
  }
  const out = new Uint8Array(32);
  new DataView(out.buffer).setInt32(0, a);
  new DataView(out.buffer).setInt32(4, b);
  return out;
}

function hashesOf(content: Uint8Array, blockBytes: number): Uint8Array {
  const count = Math.ceil(content.length / blockBytes);
  const out = new Uint8Array(count * 32);
  for (let i = 0; i < count; i += 1) out.set(digest([content.subarray(i * blockBytes, (i + 1) * blockBytes)]), i * 32);
  return out;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

function assert(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Runs a whole fetch on a virtual clock. `readRate` limits the reader, in bytes per millisecond. */
function simulate(options: {
  servers: Server[];
  length: number;
  blockBytes?: number;
  readRate?: number;
  maxWindow?: number;
  seed?: number;
  limitMs?: number;
}): Outcome {
  const { servers, length, blockBytes = 256 * KiB, readRate = Infinity, maxWindow = 64 * 1024 * KiB, limitMs = 120_000 } = options;
  const rng = new SeededRng(options.seed ?? 1);
  const content = contentOf(length, options.seed ?? 1);
  const streamOffset = 1000;
  const offer: ContentOffer = {
    streamId: 4,
    offerId: 1,
    home: 1,
    streamOffset,
    contentId: "file",
    version: "1",
    contentLength: length,
    contentOffset: 0,
    length,
    blockBytes,
    end: true,
  };
  const limits = { maxContentWindowBytes: maxWindow, maxDuplicateShare: 0.02 };
  expect(ContentFetch.validate(offer, limits)).toBeUndefined();
  let nextId = 0;
  const fetch = new ContentFetch(offer, { limits, allocateRequestId: () => (nextId += 1) });
  const output = new Uint8Array(length);
  const got = new Uint8Array(Math.ceil(length / blockBytes));
  const outcome: Outcome = {
    finishedMs: NaN,
    firstByteMs: NaN,
    at95Ms: NaN,
    duplicateBytes: 0,
    isolated: [],
    received: new Map(),
    requests: 0,
    isExact: false,
    fetch,
  };

  // Events by time; the number keeps the order of equal times.
  const heap: { at: number; order: number; run: () => void }[] = [];
  let order = 0;
  let now = 0;
  const schedule = (at: number, run: () => void): void => {
    const event = { at, order: (order += 1), run };
    let low = 0;
    let high = heap.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = heap[middle] as { at: number; order: number };
      if (other.at > at || (other.at === at && other.order > event.order)) low = middle + 1;
      else high = middle;
    }
    heap.splice(low, 0, event);
  };

  interface Job {
    requestId: number;
    pieces: { offset: number; length: number }[];
  }
  const states = new Map(servers.map((server) => [server.member, { server, jobs: [] as Job[], isBusy: false }]));
  const work = (member: number): void => {
    const state = states.get(member);
    if (state === undefined || state.isBusy) return;
    const { server } = state;
    const job = state.jobs[0];
    if (job === undefined) return;
    const piece = job.pieces.shift();
    if (job.pieces.length === 0) state.jobs.shift();
    if (piece === undefined) return work(member);
    state.isBusy = true;
    let done = now + piece.length / server.rate;
    if (server.stall !== undefined && done > server.stall.from && now < server.stall.until)
      done = server.stall.until + piece.length / server.rate;
    schedule(done, () => {
      state.isBusy = false;
      work(member);
    });
    if (server.diesAt !== undefined && done >= server.diesAt) return;
    let data = content.subarray(piece.offset, piece.offset + piece.length);
    if (server.lies !== undefined && rng.next() < server.lies) {
      data = data.slice();
      data[0] = (data[0] as number) ^ 1;
    }
    schedule(done + server.rttMs / 2, () => {
      const owner = fetch.ownerOf(job.requestId);
      assert(owner === undefined || owner === member, "a request has one owner");
      assert(fetch.handleRangeData(now, job.requestId, piece.offset, data) === undefined, "what was asked for is accepted");
    });
  };
  const shuffled = (pieces: Job["pieces"]): Job["pieces"] =>
    pieces
      .map((piece) => ({ piece, key: rng.next() }))
      .sort((a, b) => a.key - b.key)
      .map(({ piece }) => piece);

  let delivered = 0;
  let consumed = 0;
  let inOrder = 0;
  const pump = (): void => {
    for (let wanted = fetch.pollVerify(); wanted !== undefined; wanted = fetch.pollVerify()) {
      if (wanted.kind === "root") fetch.handleVerified(now, "root", 0, 0, equal(digest(wanted.hashes), wanted.expected));
      else fetch.handleVerified(now, "block", wanted.block, wanted.attempt, equal(digest(wanted.parts), wanted.expected));
    }
    for (let piece = fetch.pollDelivery(); piece !== undefined; piece = fetch.pollDelivery()) {
      const at = piece.offset - streamOffset;
      output.set(piece.data, at);
      got[Math.floor(at / blockBytes)] = 1;
      delivered += piece.data.length;
    }
    while (inOrder < got.length && got[inOrder] === 1) inOrder += 1;
    if (inOrder > 0 && Number.isNaN(outcome.firstByteMs)) outcome.firstByteMs = now;
    if (delivered >= 0.95 * length && Number.isNaN(outcome.at95Ms)) outcome.at95Ms = now;
    consumed = Math.max(consumed, Math.min(inOrder * blockBytes, length, readRate === Infinity ? Infinity : readRate * now));
    fetch.setReadOffset(consumed, now);
    for (let gone = fetch.pollIsolated(); gone !== undefined; gone = fetch.pollIsolated())
      outcome.isolated.push({ member: gone.member, code: gone.code });
    for (let next = fetch.pollRequest(now); next !== undefined; next = fetch.pollRequest(now)) {
      const state = states.get(next.member) as NonNullable<ReturnType<typeof states.get>>;
      const command = next;
      const arrive = now + state.server.rttMs / 2;
      if (command.kind === "cancel") {
        schedule(arrive, () => (state.jobs = state.jobs.filter((job) => job.requestId !== command.requestId)));
        continue;
      }
      outcome.requests += 1;
      assert(command.offset + command.length <= Math.min(length, consumed + fetch.windowBytes), "nothing is asked for beyond the window");
      const { refuses } = state.server;
      if (refuses !== undefined) {
        schedule(arrive + state.server.rttMs / 2, () => {
          fetch.handleRefused(now, command.requestId, refuses, "refused");
        });
        continue;
      }
      const pieces: Job["pieces"] = [];
      for (let at = command.offset; at < command.offset + command.length; at += PIECE) {
        pieces.push({ offset: at, length: Math.min(PIECE, command.offset + command.length - at) });
      }
      schedule(arrive, () => {
        state.jobs.push({ requestId: command.requestId, pieces: state.server.shuffles === true ? shuffled(pieces) : pieces });
        work(command.member);
      });
    }
    assert(
      fetch.bufferedBytes + fetch.outstandingBytes <= fetch.windowBytes && fetch.windowBytes <= maxWindow,
      "memory stays in the window",
    );
  };

  for (const server of servers) {
    schedule(server.joinsAt ?? 0, () => {
      fetch.addSource(server.member, now, server.rttMs);
    });
    if (server.diesAt !== undefined) {
      schedule(server.diesAt + 150, () => {
        fetch.suspectSource(server.member, now);
      });
      schedule(server.diesAt + 1500, () => {
        fetch.removeSource(server.member, now);
      });
    }
  }
  const hashes = hashesOf(content, blockBytes);
  schedule(5, () => expect(fetch.handleHashes(0, hashes, digest([hashes]))).toBeUndefined());
  let wake = Infinity;
  while (heap.length > 0 && now < limitMs) {
    const event = heap.pop() as { at: number; run: () => void };
    now = Math.max(now, event.at);
    event.run();
    pump();
    if (fetch.isComplete) {
      outcome.finishedMs = now;
      break;
    }
    let due = fetch.nextTimeout() ?? Infinity;
    if (readRate !== Infinity) due = Math.min(due, now + 20);
    if (due < wake || wake <= now) {
      if (due === Infinity) continue;
      wake = Math.max(due, now + 0.001);
      const at = wake;
      schedule(at, () => {
        if (at !== wake) return;
        wake = Infinity;
        const timeout = fetch.nextTimeout();
        if (timeout !== undefined && timeout <= now) fetch.handleTimeout(now);
      });
    }
  }
  outcome.duplicateBytes = fetch.duplicateBytes;
  for (const source of fetch.sources()) outcome.received.set(source.member, source.bytesReceived);
  outcome.isExact = fetch.isComplete && equal(output, content);
  return outcome;
}

const MB = 1_000_000;

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

test("a source twenty times slower does not stretch the last 5 %", () => {
  const run = simulate({ servers: [server(1, 625, 60), server(2, 12_500, 30)], length: 50 * MB });
  expect(run.isExact).toBe(true);
  expect(run.finishedMs - run.at95Ms).toBeLessThan(1.2 * 0.05 * run.finishedMs + 30);
  expect(run.finishedMs).toBeLessThan(1.05 * ((50 * MB) / 13_125 + 30));
  expect(run.duplicateBytes).toBeLessThan(0.02 * 50 * MB);
});

test("the first block does not wait for a slow source", () => {
  const run = simulate({ servers: [server(1, 100, 10), server(2, 12_500, 30)], length: 20 * MB });
  expect(run.isExact).toBe(true);
  expect(run.firstByteMs).toBeLessThan(300);
  expect(run.finishedMs).toBeLessThan(1.1 * ((20 * MB) / 12_600 + 30));
});

test("the fastest source dies at half and the rest goes on", () => {
  const run = simulate({ servers: [server(1, 2_500, 40), server(2, 12_500, 20, { diesAt: 1_600 })], length: 50 * MB });
  expect(run.isExact).toBe(true);
  expect(run.finishedMs).toBeLessThan(1.08 * (1_600 + (50 * MB - 1_600 * 15_000) / 2_500));
  expect(run.duplicateBytes).toBeLessThan(0.02 * 50 * MB);
});

test("a source that lies is isolated and named, and the bytes are right", () => {
  const run = simulate({ servers: [server(1, 5_000, 20), server(2, 20_000, 20, { lies: 0.01 })], length: 20 * MB });
  expect(run.isExact).toBe(true);
  expect(run.isolated).toEqual([{ member: 2, code: ErrorCode.CONTENT_CORRUPT }]);
});

test("a source with another version is isolated, with that as the reason", () => {
  const run = simulate({ servers: [server(1, 5_000, 20), server(2, 20_000, 20, { refuses: ErrorCode.CONTENT_VERSION })], length: 10 * MB });
  expect(run.isExact).toBe(true);
  expect(run.isolated).toEqual([{ member: 2, code: ErrorCode.CONTENT_VERSION }]);
});

test("a source that refuses twice for want of room is isolated", () => {
  const run = simulate({ servers: [server(1, 5_000, 20), server(2, 20_000, 20, { refuses: ErrorCode.LIMIT_REACHED })], length: 10 * MB });
  expect(run.isExact).toBe(true);
  expect(run.isolated).toEqual([{ member: 2, code: ErrorCode.LIMIT_REACHED }]);
});

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

test("random honest sources are never slower than the best alone, and waste little", () => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const rng = new SeededRng(seed * 31337);
    const servers: Server[] = [];
    const count = 2 + Math.floor(rng.next() * 4);
    for (let i = 0; i < count; i += 1) servers.push(server(1 + i, 200 * 10 ** (rng.next() * 2), 2 + rng.next() ** 2 * 250));
    const blockBytes = (64 * KiB) << Math.floor(rng.next() * 4);
    const total = servers.reduce((sum, { rate }) => sum + rate, 0);
    const length = Math.floor(total * 2_000);
    const run = simulate({ servers, length, blockBytes, seed });
    const alone = Math.min(...servers.map(({ rate, rttMs }) => length / rate + rttMs));
    // The best alone is taken without its ramp.
    expect({ seed, isFast: run.finishedMs <= 1.02 * alone, isExact: run.isExact }).toEqual({ seed, isFast: true, isExact: true });
    expect(run.duplicateBytes).toBeLessThanOrEqual(Math.max(0.02 * length, 3 * blockBytes));
  }
});
