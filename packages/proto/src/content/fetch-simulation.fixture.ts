import type { ErrorCode } from "../base/error-codes.ts";
import { SeededRng } from "../base/rng.ts";
import { ContentFetch } from "./content-fetch.ts";
import type { ContentOffer } from "./content-fetch.ts";

/** A server of the simulation: answers requests in order, at its rate, half a round trip after they were sent. */
export interface Server {
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

export function server(member: number, rate: number, rttMs: number, more: Partial<Server> = {}): Server {
  return { member, rate, rttMs, ...more };
}

export interface Outcome {
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

export const KiB = 1024;
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

/** Runs a whole fetch on a virtual clock, and checks at every step that memory and requests stay in the window. `readRate` limits the reader, in bytes per millisecond. */
export function simulate(options: {
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
  assert(ContentFetch.validate(offer, limits) === undefined, "what is valid is accepted");
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
      data = new Uint8Array(data);
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
          fetch.handleRefused(now, command.requestId, refuses, "refused", "");
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
  schedule(5, () => assert(fetch.handleHashes(0, hashes, digest([hashes])) === undefined, "what is valid is accepted"));
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
