import type { DurationMs, Instant } from "../base/time.ts";
import type { BlockAttempt, BlockSource } from "./block-attempt.ts";
import type { BlockTable } from "./block-table.ts";
import { RESERVE_MS } from "./fetch-source.ts";

/** Longest run asked for at once. */
const MAX_RUN_BLOCKS = 16;
const MAX_RUN_BYTES = 4 * 1024 * 1024;

/** A run is worth this much of its source's time, at most. */
const RUN_MS = 50;

/** Least work beyond a round trip that a source holds, in milliseconds, however small the window is. */
const MIN_RESERVE_MS = 10;

/** Incomplete blocks from the head on that are watched for delay. */
const WATCHED_BLOCKS = 4;

/** How far from the head they are looked for: the nearest to be needed are what matters. */
const SCANNED_BLOCKS = 256;

/** A block at the head moves when it would come this much sooner: factor, and milliseconds. spec: CONTENT-11 */
const HEAD_FACTOR = 1.5;
const HEAD_SLACK_MS = 20;

/** The same at the tail, where nothing else is left to ask for. spec: CONTENT-12 */
const TAIL_FACTOR = 1.1;
const TAIL_SLACK_MS = 5;

/** A block that would be late by more than this is fetched again whatever the budget says. spec: CONTENT-13 */
const INTOLERABLE_MS = 1_000;

export interface PlannedRun {
  readonly source: BlockSource;
  readonly first: number;
  readonly end: number;
}

/** A block to be asked of another source; its present attempt is given up, or kept in the race. */
export interface PlannedMove {
  readonly attempt: BlockAttempt;
  readonly source: BlockSource;
  readonly isRace: boolean;
  /** Only because the source is silent just now: it may still be in time. */
  readonly isPrecaution: boolean;
}

/** Decides which source is asked for which blocks. Knows times and rates; changes nothing. */
export class FetchPlanner {
  readonly #table: BlockTable;
  readonly #sources: ReadonlyMap<number, BlockSource>;

  constructor(table: BlockTable, sources: ReadonlyMap<number, BlockSource>) {
    this.#table = table;
    this.#sources = sources;
  }

  /** The window that lets the slowest useful source work without holding up the others, in bytes. */
  wantedWindowBytes(now: Instant): number {
    let rate = 0;
    let longest = 0;
    for (const source of this.#sources.values()) {
      if (source.state !== "usable" || !source.isRateKnown) continue;
      rate += source.rateAt(now);
      longest = Math.max(longest, source.deliveryMs(this.#table.offer.blockBytes, now));
    }
    return 2 * rate * Math.min(longest, 2_000);
  }

  /**
   * Lets each source hold as much beyond its round trip as `windowBytes` have room for: what the nearest hold too much of the window, the far ones lack.
   */
  limitReserves(windowBytes: number, now: Instant): void {
    const { blockBytes } = this.#table.offer;
    let rate = 0;
    let spareBytes = windowBytes - blockBytes;
    for (const source of this.#sources.values()) {
      if (source.state !== "usable" || !source.isRateKnown) continue;
      const sourceRate = source.rateAt(now);
      rate += sourceRate;
      // What is under way, and the block in the middle of which it is.
      spareBytes -= sourceRate * source.rttMs + blockBytes;
    }
    const reserveMs = rate === 0 ? RESERVE_MS : Math.min(RESERVE_MS, Math.max(MIN_RESERVE_MS, spareBytes / rate));
    for (const source of this.#sources.values()) source.reserveMs = reserveMs;
  }

  /** The next run to ask for: blocks below `limit`, at most `roomBytes` of them. spec: CONTENT-10 */
  nextRun(now: Instant, limit: number, roomBytes: number): PlannedRun | undefined {
    const blockBytes = this.#table.offer.blockBytes;
    if (roomBytes < blockBytes || this.#table.poolCountBelow(limit) === 0) return undefined;
    let tried: Set<BlockSource> | undefined;
    const spares = this.#spares(now);
    for (;;) {
      let best: BlockSource | undefined;
      let bestMs = Infinity;
      for (const source of this.#sources.values()) {
        if (tried?.has(source) === true || (spares && source.isSpared(now)) || !source.hasRoom(now)) continue;
        const ms = source.deliveryMs(blockBytes, now);
        if (best === undefined || ms < bestMs) {
          best = source;
          bestMs = ms;
        }
      }
      if (best === undefined) return undefined;
      const run = this.#runFor(best, bestMs, now, limit, roomBytes, spares);
      if (run !== undefined) return run;
      tried ??= new Set();
      tried.add(best);
    }
  }

  /** Whether servers that leave, or were set aside, are asked for nothing: another one is known to deliver. spec: DRAIN-3, CONTENT-18 */
  #spares(now: Instant): boolean {
    for (const source of this.#sources.values()) {
      if (source.state === "usable" && !source.isSpared(now) && source.isRateKnown && now >= source.retryAt) return true;
    }
    return false;
  }

  #runFor(
    source: BlockSource,
    blockMs: DurationMs,
    now: Instant,
    limit: number,
    roomBytes: number,
    spares: boolean,
  ): PlannedRun | undefined {
    const table = this.#table;
    const blockBytes = table.offer.blockBytes;
    let othersRate = 0;
    let othersOwed = 0;
    let othersRtt = Infinity;
    let soonestOtherMs = Infinity;
    for (const other of this.#sources.values()) {
      if (other === source || other.state !== "usable" || now < other.retryAt || (spares && other.isSpared(now))) continue;
      soonestOtherMs = Math.min(soonestOtherMs, other.deliveryMs(blockBytes, now));
      if (!other.isRateKnown) continue;
      othersRate += other.rateAt(now);
      othersOwed += other.outstandingBytes;
      othersRtt = Math.min(othersRtt, other.rttMs);
    }
    // Not worth asking if the others would have finished everything before this one delivers a single block.
    if (othersRate > 0 && blockMs > Math.max(soonestOtherMs, (table.poolBytes + othersOwed) / othersRate + othersRtt)) return undefined;
    const rate = source.rateAt(now);
    const count = this.#runBlocks(source, now, rate / (rate + othersRate), roomBytes);
    // What arrives late is asked for further ahead, where it will be needed when it comes; the nearer blocks are left to the sooner sources.
    const skip = Math.floor(((rate + othersRate) * Math.max(0, blockMs - soonestOtherMs)) / blockBytes);
    let run = table.runAfter(skip, count, limit);
    if (run === undefined) {
      // Beyond the window it would hold up the rest; but a new source must be tried, else nothing is ever known of it.
      if (limit < table.blockCount && source.isRateKnown) return undefined;
      run = table.runAfter(Math.max(0, table.poolCountBelow(limit) - count), count, limit);
    }
    return run === undefined ? undefined : { source, first: run.first, end: run.end };
  }

  #runBlocks(source: BlockSource, now: Instant, share: number, roomBytes: number): number {
    const blockBytes = this.#table.offer.blockBytes;
    const target = source.targetBytes(now);
    let bytes = source.isRateKnown ? Math.min(target / 4, source.rateAt(now) * RUN_MS) : target - source.outstandingBytes;
    // The nearer the end, the smaller the runs, so that all sources end together.
    bytes = Math.min(bytes, (this.#table.poolBytes * share) / 2, MAX_RUN_BYTES);
    const count = Math.min(MAX_RUN_BLOCKS, Math.max(1, Math.floor(bytes / blockBytes)));
    return Math.max(1, Math.min(count, Math.floor(roomBytes / blockBytes)));
  }

  /** Writes into every live attempt when it should be complete. To be called before `headMove` and `tailMove`. */
  estimate(now: Instant): void {
    for (const source of this.#sources.values()) {
      const rate = source.rateAt(now);
      let ahead = 0;
      for (const attempt of source.queue) {
        attempt.bytesAhead = ahead;
        ahead += attempt.remainingBytes;
        attempt.etaMs = ahead / rate;
      }
    }
  }

  /** A block near the head that another source would deliver much sooner. */
  headMove(now: Instant, budgetBytes: number): PlannedMove | undefined {
    const table = this.#table;
    const stop = Math.min(table.blockCount, table.head + SCANNED_BLOCKS);
    let watched = 0;
    for (let block = table.head; watched < WATCHED_BLOCKS && block < stop; block += 1) {
      const attempts = table.attemptsOf(block);
      if (attempts.length === 0) {
        if (!table.isVerified(block)) watched += 1;
        continue;
      }
      if (attempts.some((attempt) => attempt.state === "complete")) continue;
      watched += 1;
      const attempt = soonest(attempts);
      if (attempt === undefined) continue;
      const move = this.#move(attempt, now, budgetBytes, HEAD_FACTOR, HEAD_SLACK_MS, false);
      if (move !== undefined) return move;
    }
    return undefined;
  }

  /** With nothing left to ask for: the block that would come last, if a source with room would deliver it sooner. */
  tailMove(now: Instant, budgetBytes: number): PlannedMove | undefined {
    if (this.#table.poolCount > 0 || ![...this.#sources.values()].some((source) => source.hasRoom(now))) return undefined;
    const last: BlockAttempt[] = [];
    for (const source of this.#sources.values()) {
      // Of a source's blocks the last is both the latest and the one least begun; if it is in a race already, the one before.
      for (let i = source.queue.length - 1; i >= 0; i -= 1) {
        const attempt = source.queue[i] as BlockAttempt;
        if (this.#table.attemptsOf(attempt.block).length > 1) continue;
        last.push(attempt);
        break;
      }
    }
    last.sort((a, b) => b.etaMs - a.etaMs);
    for (const attempt of last) {
      const move = this.#move(attempt, now, budgetBytes, TAIL_FACTOR, TAIL_SLACK_MS, true);
      if (move !== undefined) return move;
    }
    return undefined;
  }

  #move(
    attempt: BlockAttempt,
    now: Instant,
    budgetBytes: number,
    factor: number,
    slackMs: DurationMs,
    needsRoom: boolean,
  ): PlannedMove | undefined {
    const attempts = this.#table.attemptsOf(attempt.block);
    let best: BlockSource | undefined;
    let bestMs = Infinity;
    const spares = this.#spares(now);
    for (const source of this.#sources.values()) {
      if (source.state !== "usable" || (spares && source.isSpared(now))) continue;
      if (now < source.retryAt || (needsRoom && !source.hasRoom(now))) continue;
      if (attempts.some((other) => other.source === source)) continue;
      const ms = source.deliveryMs(attempt.length, now);
      if (ms < bestMs) {
        best = source;
        bestMs = ms;
      }
    }
    if (best === undefined) return undefined;
    const from = attempt.source;
    // It may be gone: long before that is known, what is needed next is on its way from another.
    if (!needsRoom && from.isUnusuallySilent(now) && !best.isUnusuallySilent(now) && attempts.length === 1 && budgetBytes >= attempt.length)
      return { attempt, source: best, isRace: true, isPrecaution: true };
    if (attempt.etaMs <= bestMs * factor + slackMs) return undefined;
    // What is on its way already comes whether we cancel or not.
    const isUnderWay = attempt.pieces.receivedBytes > 0 || attempt.bytesAhead < from.rateAt(now) * from.rttMs;
    if (!isUnderWay) return { attempt, source: best, isRace: false, isPrecaution: false };
    const mayRace = (attempts.length === 1 && budgetBytes >= attempt.length) || attempt.etaMs > bestMs + INTOLERABLE_MS;
    return mayRace ? { attempt, source: best, isRace: true, isPrecaution: false } : undefined;
  }
}

function soonest(attempts: readonly BlockAttempt[]): BlockAttempt | undefined {
  let best: BlockAttempt | undefined;
  for (const attempt of attempts) if (attempt.state === "live" && (best === undefined || attempt.etaMs < best.etaMs)) best = attempt;
  return best;
}
