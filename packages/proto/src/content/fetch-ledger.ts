import { ErrorCode, failure } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";
import type { MemberId } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";
import { BlockAttempt, FetchRequest, type BlockSource } from "./block-attempt.ts";
import type { BlockTable } from "./block-table.ts";

/** What was asked of whom and what came of it: every byte is counted here, once. */
export class FetchLedger {
  readonly #table: BlockTable;
  readonly #requests = new Map<number, FetchRequest>();
  readonly #cancels: FetchRequest[] = [];
  /** Blocks that were asked of a source that was lost or fell silent, and that are not verified yet. */
  readonly #forsaken = new Set<number>();
  #nextAttempt = 0;
  #outstanding = 0;
  #buffered = 0;
  #duplicate = 0;
  #racing = 0;

  constructor(table: BlockTable) {
    this.#table = table;
  }

  /** Bytes asked for and not here, of sources that are counted on. */
  get outstandingBytes(): number {
    return this.#outstanding;
  }

  /** Bytes that are here and not delivered. */
  get bufferedBytes(): number {
    return this.#buffered;
  }

  /** Bytes that came and were of no use. */
  get duplicateBytes(): number {
    return this.#duplicate;
  }

  /** Bytes of blocks that are being fetched from two sources on purpose: what these races may waste. */
  get racingBytes(): number {
    return this.#racing;
  }

  request(id: number): FetchRequest | undefined {
    return this.#requests.get(id);
  }

  get requests(): Iterable<FetchRequest> {
    return this.#requests.values();
  }

  /** The next request of which the source must be told that it is over. */
  pollCancel(): { readonly member: MemberId; readonly requestId: number } | undefined {
    const request = this.#cancels.shift();
    return request === undefined ? undefined : { member: request.source.member, requestId: request.id };
  }

  /** Asks `source` for blocks [first, end). */
  open(id: number, source: BlockSource, first: number, end: number, isExtra: boolean, now: Instant, isPrecaution = false): FetchRequest {
    const request = new FetchRequest(id, source, first);
    // It would have come from another by now, and is needed before what this one was asked for ahead.
    const isUrgent = (isPrecaution || this.#forsaken.has(first)) && source.queue.some((other) => other.block > first);
    for (let block = first; block < end; block += 1) {
      const attempt = new BlockAttempt((this.#nextAttempt += 1), block, this.#table.lengthOf(block), request, isExtra, isUrgent);
      request.attempts.push(attempt);
      source.noteRequested(now, attempt);
      this.#outstanding += attempt.length;
      if (isExtra) this.#racing += attempt.length;
      this.#table.addAttempt(attempt);
    }
    request.openCount = end - first;
    source.openRequests += 1;
    this.#requests.set(id, request);
    return request;
  }

  ignore(bytes: number): void {
    this.#duplicate += bytes;
  }

  /** Takes bytes of one block of a request; `room` is how much more may be held for what is not counted on. */
  accept(attempt: BlockAttempt, offset: number, data: Uint8Array, room: number): ProtocolFailure | undefined {
    if (attempt.state === "lingering" && data.length > room) this.drop(attempt);
    if (attempt.state === "dropped" || attempt.state === "complete") {
      this.#duplicate += data.length;
      return undefined;
    }
    const before = attempt.pieces.receivedBytes;
    const added = attempt.pieces.add(offset, data);
    const grown = attempt.pieces.receivedBytes - before;
    this.#buffered += grown;
    this.#duplicate += data.length - grown;
    if (attempt.state === "live") this.#lower(attempt, grown);
    if (added === undefined) return failure(ErrorCode.LIMIT_REACHED, "the bytes of a block came in too many pieces");
    if (attempt.pieces.isComplete) {
      attempt.state = "complete";
      attempt.source.forget(attempt);
      this.#close(attempt);
      this.#table.refresh(attempt.block);
    }
    return undefined;
  }

  /** Gives an attempt up, as late or because its source is lost; its block returns to the pool unless it is verified or asked of another. */
  drop(attempt: BlockAttempt, isSourceLost = false): void {
    if (attempt.state === "dropped") return;
    const wasOpen = attempt.state !== "complete";
    if (attempt.state === "live") {
      this.#lower(attempt, attempt.remainingBytes);
      attempt.source.forget(attempt);
    }
    this.#buffered -= attempt.pieces.receivedBytes;
    this.#duplicate += attempt.pieces.receivedBytes;
    this.#release(attempt);
    if (wasOpen) {
      if (isSourceLost && !this.#table.isVerified(attempt.block)) this.#forsaken.add(attempt.block);
      attempt.request.hasDropped = true;
      this.#close(attempt);
    }
  }

  /** The block is verified by this attempt, whose bytes stay counted until they are delivered. Its rivals are given up. */
  settle(attempt: BlockAttempt): void {
    this.#table.markVerified(attempt.block);
    this.#forsaken.delete(attempt.block);
    this.#release(attempt);
    for (const rival of [...this.#table.attemptsOf(attempt.block)]) this.drop(rival);
  }

  delivered(bytes: number): void {
    this.#buffered -= bytes;
  }

  /** The source is suspect: the block may be asked of others at once. */
  linger(attempt: BlockAttempt): void {
    if (attempt.state !== "live") return;
    this.#lower(attempt, attempt.remainingBytes);
    attempt.source.forget(attempt);
    attempt.state = "lingering";
    this.#forsaken.add(attempt.block);
    this.#table.refresh(attempt.block);
  }

  /** The source is back: its block is counted on again unless it was asked of another, or `room` forbids. */
  revive(attempt: BlockAttempt, now: Instant, room: number): void {
    if (attempt.state !== "lingering" || attempt.remainingBytes > room || this.#table.attemptsOf(attempt.block).length > 1) return;
    attempt.state = "live";
    attempt.source.noteRequested(now, attempt);
    attempt.source.outstandingBytes -= attempt.pieces.receivedBytes;
    this.#outstanding += attempt.remainingBytes;
    this.#table.refresh(attempt.block);
  }

  #lower(attempt: BlockAttempt, bytes: number): void {
    this.#outstanding -= bytes;
    attempt.source.outstandingBytes -= bytes;
  }

  #release(attempt: BlockAttempt): void {
    attempt.state = "dropped";
    if (attempt.isExtra) this.#racing -= attempt.length;
    this.#table.removeAttempt(attempt);
  }

  #close(attempt: BlockAttempt): void {
    const request = attempt.request;
    request.openCount -= 1;
    if (request.openCount > 0) return;
    this.#requests.delete(request.id);
    request.source.openRequests -= 1;
    if (request.hasDropped && !request.isRefused) this.#cancels.push(request);
  }
}
