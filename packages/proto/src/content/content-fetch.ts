import { ErrorCode, failure } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";
import type { MemberId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import type { DurationMs, Instant } from "../base/time.ts";
import type { BlockAttempt, BlockSource } from "./block-attempt.ts";
import { BlockTable } from "./block-table.ts";
import { MIN_WINDOW_BLOCKS, validateOffer } from "./content-offer.ts";
import type { ContentFetchOptions } from "./content-fetch-options.ts";
import type { ContentOffer } from "./content-offer.ts";
import type { FetchCommand, FetchVerification } from "./fetch-command.ts";
import { FetchLedger } from "./fetch-ledger.ts";
import { FetchPlanner } from "./fetch-planner.ts";
import { FetchSource, type IsolatedSource } from "./fetch-source.ts";
import type { FetchSourceStats } from "./fetch-source.ts";
import { VerificationQueue } from "./verification-queue.ts";

export type { ContentOffer, FetchCommand, FetchSourceStats, FetchVerification };

const INITIAL_WINDOW_BYTES = 4 * 1024 * 1024;

/** Blocks that may be fetched twice however short the content is. */
const FREE_RACE_BLOCKS = 3;
/** Estimates are looked at again after this long, even if nothing arrived. */
const REPLAN_MS = 50;
/** Blocks moved at once, at most. */
const MAX_MOVES = 16;
const SLOW = "its blocks had to be fetched from others again and again";

/** Fetches one offered part of a content from several sources at once, near in order, and delivers it block by block, verified. */
export class ContentFetch {
  readonly offer: ContentOffer;
  readonly #limits: ContentFetchOptions["limits"];
  readonly #allocateRequestId: () => number;
  readonly #table: BlockTable;
  readonly #ledger: FetchLedger;
  readonly #verification: VerificationQueue;
  readonly #sources = new Map<MemberId, BlockSource>();
  readonly #planner: FetchPlanner;
  readonly #deliveries: { readonly offset: number; readonly data: Uint8Array }[] = [];
  readonly #isolated: IsolatedSource[] = [];
  #windowBytes: number;
  #maxWindowBytes: number;
  /** Bytes of the part that the reader has consumed. */
  #consumed: number;
  #failure: ProtocolFailure | undefined;
  /** Whether something happened that may call for moving blocks. */
  #mustReplan = false;
  #plannedAt: Instant = -Infinity;
  #movesLeft = 0;

  /** Answers why an offer cannot be followed, or undefined; must be asked before a fetch is made of it. */
  static validate(offer: ContentOffer, limits: Pick<Limits, "maxContentWindowBytes">): ProtocolFailure | undefined {
    return validateOffer(offer, limits);
  }

  constructor(offer: ContentOffer, options: ContentFetchOptions) {
    this.offer = offer;
    this.#limits = options.limits;
    this.#allocateRequestId = options.allocateRequestId;
    this.#table = new BlockTable(offer);
    this.#ledger = new FetchLedger(this.#table);
    this.#verification = new VerificationQueue(this.#table.blockCount);
    this.#planner = new FetchPlanner(this.#table, this.#sources);
    this.#consumed = -(options.bytesAhead ?? 0);
    this.#maxWindowBytes = this.#limits.maxContentWindowBytes;
    this.#windowBytes = Math.max(this.leastWindowBytes, Math.min(options.windowBytes ?? INITIAL_WINDOW_BYTES, this.#maxWindowBytes));
  }

  /** Every byte was verified and handed out, and the root matched. */
  get isComplete(): boolean {
    return this.#table.isAllVerified && this.#deliveries.length === 0 && this.#verification.isRootMatched;
  }

  /** Why the fetch ended without its bytes. */
  get failure(): ProtocolFailure | undefined {
    return this.#failure;
  }

  /** Whether blocks are missing and nobody is left to ask; the caller decides how long that may last, then gives up. */
  get isStarved(): boolean {
    if (this.#failure !== undefined || this.#table.isAllVerified) return false;
    for (const source of this.#sources.values()) if (source.state === "usable" || source.state === "suspect") return false;
    return this.#ledger.bufferedBytes === 0;
  }

  /** Whether every hash is here: from then on the home is not needed. spec: CONTENT-5 */
  get hasAllHashes(): boolean {
    return this.#verification.hasAllHashes;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** Four blocks: with less it would not get on. */
  get leastWindowBytes(): number {
    return MIN_WINDOW_BLOCKS * this.offer.blockBytes;
  }

  /** Its share of what all contents of the session may hold; 0 lets it wait. What is under way already still comes. spec: CONTENT-14 */
  limitWindow(bytes: number): void {
    this.#maxWindowBytes = bytes;
    this.#windowBytes = Math.min(Math.max(this.#windowBytes, INITIAL_WINDOW_BYTES), bytes);
  }

  /** Bytes asked for and not here, of sources that are counted on. */
  get outstandingBytes(): number {
    return this.#ledger.outstandingBytes;
  }

  /** Bytes that are here and not delivered: `bufferedBytes + outstandingBytes` never exceeds `windowBytes`. */
  get bufferedBytes(): number {
    return this.#ledger.bufferedBytes;
  }

  /** Bytes that came and were of no use: second copies, blocks that did not match, blocks of sources that died. */
  get duplicateBytes(): number {
    return this.#ledger.duplicateBytes;
  }

  /** The servers that may be asked, that are suspect, or isolated; not those that are gone. */
  sources(): FetchSourceStats[] {
    return [...this.#sources.values()].filter((source) => source.state !== "gone").map((source) => source.stats());
  }

  /** The member of whom a request was made: bytes for it from another must be refused. Undefined once the request is over. */
  ownerOf(requestId: number): MemberId | undefined {
    return this.#ledger.request(requestId)?.source.member;
  }

  /**
   * A server may be asked from now on, or again. One that was isolated stays so. One that leaves (`isRetired`) is asked for nothing more while another is
   * known to deliver; what it owes comes. spec: DRAIN-3
   */
  addSource(member: MemberId, _now: Instant, rttMs?: DurationMs, isRetired = false): void {
    const source = this.#sources.get(member) ?? new FetchSource(member, rttMs);
    this.#sources.set(member, source);
    this.#mustReplan = true;
    source.rttMs = rttMs;
    source.isRetired = isRetired;
    if (source.state !== "gone") return;
    source.state = "usable";
    source.restart();
  }

  /** A server is gone: what it owed is asked of others. Complete blocks of it are still verified. spec: CONTENT-4 */
  removeSource(member: MemberId, _now: Instant, _why?: string): void {
    const source = this.#sources.get(member);
    if (source === undefined || source.state === "gone" || source.state === "isolated") return;
    source.state = "gone";
    this.#dropOpen(source);
  }

  /** A server is silent: what it owes may be asked of others at once, and it is asked for nothing. */
  suspectSource(member: MemberId, _now: Instant): void {
    const source = this.#sources.get(member);
    if (source?.state !== "usable") return;
    source.state = "suspect";
    this.#mustReplan = true;
    for (const attempt of this.#attemptsOf(source)) this.#ledger.linger(attempt);
  }

  /** A suspected server gave a sign of life. */
  recoverSource(member: MemberId, now: Instant): void {
    const source = this.#sources.get(member);
    if (source?.state !== "suspect") return;
    source.state = "usable";
    source.restart();
    this.#mustReplan = true;
    for (const attempt of this.#attemptsOf(source)) this.#ledger.revive(attempt, now, this.#room);
  }

  /** The process did not run until now. */
  wokeUp(now: Instant): void {
    for (const source of this.#sources.values()) source.wokeUp(now);
  }

  /** Hashes of the blocks from `firstBlock` on (32 bytes each), in order; the root with the last. spec: CONTENT-8 */
  handleHashes(firstBlock: number, hashes: Uint8Array, root: Uint8Array | undefined): ProtocolFailure | undefined {
    const isAwaited = this.#verification.isAwaitingHashes;
    const bad = this.#verification.acceptHashes(firstBlock, hashes, root);
    if (bad === undefined && isAwaited) this.#mustReplan = true;
    return bad;
  }

  /** Bytes of a request at a content offset, in any order and cut. Bytes of requests that are over are ignored. */
  handleRangeData(now: Instant, requestId: number, offset: number, data: Uint8Array): ProtocolFailure | undefined {
    const request = this.#ledger.request(requestId);
    if (request === undefined) {
      this.#ledger.ignore(data.length);
      return undefined;
    }
    const { blockBytes, contentOffset } = this.offer;
    let at = offset - contentOffset;
    const lastBlock = request.firstBlock + request.attempts.length - 1;
    if (at < request.firstBlock * blockBytes || at + data.length > lastBlock * blockBytes + this.#table.lengthOf(lastBlock)) {
      return failure(ErrorCode.PROTOCOL_VIOLATION, "bytes outside the range that was asked for");
    }
    request.source.noteArrival(now, data.length);
    for (let taken = 0; taken < data.length; ) {
      const block = Math.floor(at / blockBytes);
      const attempt = request.attempts[block - request.firstBlock] as BlockAttempt;
      const inBlock = at - block * blockBytes;
      const count = Math.min(data.length - taken, attempt.length - inBlock);
      const wasOpen = attempt.state === "live" || attempt.state === "lingering";
      const bad = this.#ledger.accept(attempt, inBlock, count === data.length ? data : data.subarray(taken, taken + count), this.#room);
      if (bad !== undefined) return bad;
      if (wasOpen && attempt.state === "complete") {
        this.#mustReplan = true;
        this.#verification.add(attempt);
      }
      taken += count;
      at += count;
    }
    return undefined;
  }

  /** A server will not answer a request (any more); `version` is what it has instead. spec: CONTENT-9 */
  handleRefused(now: Instant, requestId: number, code: number, reason: string, version: string): void {
    const request = this.#ledger.request(requestId);
    if (request === undefined) return;
    const source = request.source;
    request.isRefused = true;
    for (const attempt of request.attempts) if (attempt.state !== "complete") this.#ledger.drop(attempt);
    this.#mustReplan = true;
    if (source.state !== "usable" && source.state !== "suspect") return;
    const isolation = source.noteRefused(now, code);
    if (isolation !== undefined) this.#isolate(source, isolation, reason, version);
  }

  /** How far the reader has consumed the content, or is before it; moves the window. */
  setReadOffset(contentOffset: number, _now: Instant): void {
    this.#consumed = Math.max(this.#consumed, Math.min(this.offer.length, contentOffset - this.offer.contentOffset));
  }

  /** What to send next; to be polled until undefined after every other call, and at `nextTimeout`. */
  pollRequest(now: Instant): FetchCommand | undefined {
    const cancel = this.#ledger.pollCancel();
    if (cancel !== undefined) return { kind: "cancel", ...cancel };
    if (this.#failure !== undefined || this.#table.isAllVerified) return undefined;
    return this.#nextRun(now) ?? this.#nextMove(now);
  }

  /** What to compare next: SHA-256 of the parts (of all hashes, for the root) with `expected`. */
  pollVerify(): FetchVerification | undefined {
    if (this.#failure !== undefined) return undefined;
    return this.#verification.poll();
  }

  /**
   * The answer to `pollVerify`; for a root, block and attempt do not matter. A block that does not match isolates its source,
   * a root that does not match ends the fetch. spec: CONTENT-3, CONTENT-8
   */
  handleVerified(_now: Instant, kind: FetchVerification["kind"], block: number, attemptNumber: number, isMatch: boolean): void {
    if (kind === "root") {
      if (isMatch) this.#verification.markRootMatched();
      else this.giveUp(ErrorCode.CONTENT_CORRUPT, "the home's hashes do not match their root");
      return;
    }
    const attempt = this.#table.attemptsOf(block).find((candidate) => candidate.number === attemptNumber);
    if (attempt === undefined || attempt.state !== "complete" || this.#failure !== undefined) return;
    this.#mustReplan = true;
    if (!isMatch) {
      this.#ledger.drop(attempt);
      this.#isolate(attempt.source, ErrorCode.CONTENT_CORRUPT, `block ${String(block)} did not match its hash`, "");
      return;
    }
    attempt.source.noteVerified(attempt.length);
    let offset = this.offer.streamOffset + block * this.offer.blockBytes;
    for (const data of attempt.pieces.parts()) {
      this.#deliveries.push({ offset, data });
      offset += data.length;
    }
    this.#ledger.settle(attempt);
  }

  /** Verified bytes at a stream offset, as they came; blocks in any order. */
  pollDelivery(): { readonly offset: number; readonly data: Uint8Array } | undefined {
    const delivery = this.#deliveries.shift();
    if (delivery !== undefined) this.#ledger.delivered(delivery.data.length);
    return delivery;
  }

  /** A server that will not be asked any more, and why; with TIMEOUT not for a while, because others are faster. spec: CONTENT-18 */
  pollIsolated(): IsolatedSource | undefined {
    return this.#isolated.shift();
  }

  /** Ends the fetch without its bytes; requests under way are cancelled. */
  giveUp(code: ErrorCode, reason: string): void {
    if (this.#failure !== undefined || this.isComplete) return;
    this.#failure = { code, reason };
    for (const source of this.#sources.values()) this.#dropOpen(source);
    for (const attempt of this.#verification.waiting()) this.#ledger.drop(attempt);
  }

  /** When `handleTimeout` and `pollRequest` are due if nothing happens before. */
  nextTimeout(): Instant | undefined {
    if (this.#failure !== undefined || this.#table.isAllVerified) return undefined;
    let due = Infinity;
    for (const source of this.#sources.values()) {
      if (source.state !== "usable") continue;
      if (source.outstandingBytes > 0) {
        due = Math.min(due, this.#plannedAt + REPLAN_MS);
        if (source.alarmAt > this.#plannedAt) due = Math.min(due, source.alarmAt);
      } else if (source.retryAt > this.#plannedAt) due = Math.min(due, source.retryAt);
    }
    return due === Infinity ? undefined : due;
  }

  handleTimeout(now: Instant): void {
    this.#mustReplan = true;
    this.#plannedAt = Math.max(this.#plannedAt, now);
  }

  get #room(): number {
    return this.#windowBytes - this.#ledger.outstandingBytes - this.#ledger.bufferedBytes;
  }

  #nextRun(now: Instant): FetchCommand | undefined {
    const { blockBytes, length } = this.offer;
    const wanted = Math.min(this.#maxWindowBytes, this.#planner.wantedWindowBytes(now));
    if (wanted > this.#windowBytes) this.#windowBytes = wanted;
    this.#planner.limitReserves(this.#windowBytes, now);
    const edge = this.#consumed + this.#windowBytes;
    const limit = edge >= length ? this.#table.blockCount : Math.floor(edge / blockBytes);
    // One block of room is kept for a block that must be fetched twice.
    const run = this.#planner.nextRun(now, limit, this.#room - blockBytes);
    return run === undefined ? undefined : this.#open(now, run.source, run.first, run.end, false);
  }

  #nextMove(now: Instant): FetchCommand | undefined {
    if (this.#mustReplan || now >= this.#plannedAt + REPLAN_MS) {
      this.#mustReplan = false;
      this.#plannedAt = now;
      this.#movesLeft = MAX_MOVES;
    }
    if (this.#movesLeft === 0) return undefined;
    this.#movesLeft -= 1;
    this.#planner.estimate(now);
    const budget = Math.min(this.#room, this.#raceBudgetBytes - this.#ledger.duplicateBytes - this.#ledger.racingBytes);
    const move = this.#planner.headMove(now, budget) ?? this.#planner.tailMove(now, budget);
    if (move === undefined || (move.isRace && move.attempt.length > this.#room)) {
      this.#movesLeft = 0;
      return undefined;
    }
    const { attempt, source } = move;
    if (attempt.source.silenceMs(now) > 2 * attempt.source.patienceMs) attempt.source.noteStalled(now);
    if (!move.isPrecaution && attempt.source.noteLate(now))
      this.#isolated.push({ member: attempt.source.member, code: ErrorCode.TIMEOUT, reason: SLOW, version: "" });
    if (!move.isRace) this.#ledger.drop(attempt);
    return this.#open(now, source, attempt.block, attempt.block + 1, move.isRace, move.isPrecaution);
  }

  /** Bytes that may come twice. spec: CONTENT-13 */
  get #raceBudgetBytes(): number {
    return Math.max(this.#limits.maxDuplicateShare * this.offer.length, FREE_RACE_BLOCKS * this.offer.blockBytes);
  }

  #open(now: Instant, source: BlockSource, first: number, end: number, isExtra: boolean, isPrecaution = false): FetchCommand {
    const requestId = this.#allocateRequestId();
    const { attempts } = this.#ledger.open(requestId, source, first, end, isExtra, now, isPrecaution);
    const isUrgent = attempts[0]?.isUrgent ?? false;
    const start = first * this.offer.blockBytes;
    const stop = (end - 1) * this.offer.blockBytes + this.#table.lengthOf(end - 1);
    return { kind: "request", member: source.member, requestId, offset: this.offer.contentOffset + start, length: stop - start, isUrgent };
  }

  #isolate(source: BlockSource, code: ErrorCode, reason: string, version: string): void {
    if (source.state === "isolated") return;
    source.state = "isolated";
    source.isolation = { member: source.member, code, reason, version };
    this.#isolated.push(source.isolation);
    this.#dropOpen(source);
  }

  #dropOpen(source: BlockSource): void {
    this.#mustReplan = true;
    for (const attempt of this.#attemptsOf(source)) this.#ledger.drop(attempt, true);
  }

  /** Live and lingering attempts of a source, in the order in which they were made. */
  #attemptsOf(source: BlockSource): BlockAttempt[] {
    const open: BlockAttempt[] = [];
    for (const request of this.#ledger.requests) {
      if (request.source !== source) continue;
      for (const attempt of request.attempts) if (attempt.state === "live" || attempt.state === "lingering") open.push(attempt);
    }
    return open;
  }
}
