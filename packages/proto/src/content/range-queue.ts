import { ErrorCode, failure } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";
import { MIN_BLOCK_BYTES } from "./content-offer.ts";
import { ServedRange } from "./served-range.ts";

/** Refusals that wait to be sent, per request that may be open. */
const REFUSALS_PER_REQUEST = 4;

const MAX_NAME_LENGTH = 1024;

export interface RangeRead {
  readonly requestId: number;
  readonly contentId: string;
  readonly version: string;
  readonly contentLength: number;
  readonly offset: number;
  readonly length: number;
}

export interface RangeRefusal {
  readonly requestId: number;
  readonly code: number;
  readonly reason: string;
  /** The version that is here, if another was asked for. */
  readonly version: string;
}

export interface RangeSegment {
  readonly requestId: number;
  /** Content offset. */
  readonly offset: number;
  /** A view; it stays valid until acknowledged. */
  readonly data: Uint8Array;
}

export interface RangeQueueOptions {
  /**
   * Requests open at once, those included of which the last bytes are not acknowledged, and those that have ended while reads for them are under way; more are
   * refused with LIMIT_REACHED.
   */
  readonly maxRequests: number;
  /** Longest read, in bytes: a power of two; 256 KiB by default. Reads end at multiples of it. */
  readonly readBytes?: number;
  /** Bytes read or being read and not sent, at most, over all requests; 2 MiB by default. A read under way counts as the smallest block (16 KiB) at least. */
  readonly readAheadBytes?: number;
}

/** The content ranges that one client asked of this server: reads them ahead, hands them out in order, keeps them until acknowledged. */
export class RangeQueue {
  readonly #maxRequests: number;
  readonly #readBytes: number;
  readonly #readAheadBytes: number;
  /** What a read under way takes of the read-ahead at least: a tiny one costs a store no less than a block, and no honest client has many. */
  readonly #minReadShare: number;
  readonly #ranges = new Map<number, ServedRange>();
  /** Ranges that are not entirely sent: higher priority first, then older first. */
  readonly #sending: ServedRange[] = [];
  /** Ranges with bytes to send again. */
  readonly #losing = new Set<ServedRange>();
  /** Ended ranges with reads under way: these still take their part of the requests and of the read-ahead. */
  readonly #ended = new Map<number, ServedRange>();
  readonly #refusals: RangeRefusal[] = [];
  #readyBytes = 0;
  #lostBytes = 0;
  #heldBytes = 0;
  #readingBytes = 0;

  constructor(options: RangeQueueOptions) {
    this.#maxRequests = options.maxRequests;
    this.#readBytes = options.readBytes ?? 256 * 1024;
    this.#readAheadBytes = Math.max(this.#readBytes, options.readAheadBytes ?? 2 * 1024 * 1024);
    this.#minReadShare = Math.min(MIN_BLOCK_BYTES, this.#readBytes);
  }

  /** Whether `take` has something. */
  get isReady(): boolean {
    return this.readyBytes > 0;
  }

  /** Bytes that `take` could hand out now. */
  get readyBytes(): number {
    return this.#readyBytes + this.#lostBytes;
  }

  /** Bytes in memory: read ahead, and sent but not acknowledged (in chunks of a read). */
  get bufferedBytes(): number {
    return this.#heldBytes;
  }

  /** What the reads under way take of the read-ahead, in bytes. */
  get readingBytes(): number {
    return this.#readingBytes;
  }

  get requestCount(): number {
    return this.#ranges.size;
  }

  /** Takes a client's request. Beyond `maxRequests` it is refused, not failed. spec: CONTENT-15 */
  request(
    requestId: number,
    contentId: string,
    version: string,
    contentLength: number,
    offset: number,
    length: number,
    priority: number,
  ): ProtocolFailure | undefined {
    for (const value of [contentLength, offset, length]) {
      if (!Number.isSafeInteger(value) || value < 0) return violation("a range request has a length or offset that is not a number");
    }
    if (length === 0) return violation("a range request is empty");
    if (offset + length > contentLength) return violation("a range request is longer than its content");
    if (contentId.length === 0 || contentId.length > MAX_NAME_LENGTH || version.length > MAX_NAME_LENGTH) {
      return violation("a range request has no content id, or one that is too long");
    }
    if (this.#ranges.has(requestId) || this.#ended.has(requestId)) return violation("a range request repeats the number of another");
    if (this.#ranges.size + this.#ended.size >= this.#maxRequests) {
      if (this.#refusals.length >= this.#maxRequests * REFUSALS_PER_REQUEST)
        return failure(ErrorCode.LIMIT_REACHED, "too many range requests");
      this.#refusals.push({ requestId, code: ErrorCode.LIMIT_REACHED, reason: "too many range requests", version: "" });
      return undefined;
    }
    const range = new ServedRange(requestId, contentId, version, contentLength, offset, length, priority, this.#readBytes);
    this.#ranges.set(requestId, range);
    let at = this.#sending.length;
    while (at > 0 && (this.#sending[at - 1] as ServedRange).priority < priority) at -= 1;
    this.#sending.splice(at, 0, range);
    return undefined;
  }

  /** The client does not need a range any more. */
  cancel(requestId: number): void {
    const range = this.#ranges.get(requestId);
    if (range !== undefined) this.#end(range);
  }

  /** The next read that is wanted now; to be answered with `handleRead` or `handleReadFailed`. */
  pollRead(): RangeRead | undefined {
    if (this.#readyBytes + this.#readingBytes + this.#readBytes > this.#readAheadBytes) return undefined;
    for (const range of this.#sending) {
      const read = range.nextRead();
      if (read === undefined) continue;
      this.#readingBytes += this.#shareOf(read.length);
      const { requestId, contentId, version, contentLength } = range;
      return { requestId, contentId, version, contentLength, offset: read.offset, length: read.length };
    }
    return undefined;
  }

  /** The bytes of a read, exactly as many as were wanted. They belong to the queue from now on. */
  handleRead(requestId: number, offset: number, data: Uint8Array): void {
    const length = this.#endRead(requestId, offset);
    const range = this.#ranges.get(requestId);
    if (length === undefined || range === undefined) return;
    if (data.length !== length) {
      this.#refuse(range, ErrorCode.INTERNAL_ERROR, "a content source gave another number of bytes than asked", "");
      return;
    }
    this.#uncount(range);
    range.store(offset, data);
    this.#count(range);
  }

  /** A read failed: the whole request is refused, what is not sent yet is dropped. */
  handleReadFailed(requestId: number, offset: number, code: number, reason: string, version: string): void {
    const length = this.#endRead(requestId, offset);
    const range = this.#ranges.get(requestId);
    if (length !== undefined && range !== undefined) this.#refuse(range, code, reason, version);
  }

  pollRefused(): RangeRefusal | undefined {
    return this.#refusals.shift();
  }

  /** The next bytes to send, at most `maxBytes`, as one view: those lost first, then by priority and age of the requests. */
  take(maxBytes: number): RangeSegment | undefined {
    if (maxBytes <= 0 || !this.isReady) return undefined;
    for (const range of this.#losing) {
      const piece = range.takeLost(maxBytes);
      if (range.lostBytes === 0) this.#losing.delete(range);
      if (piece === undefined) continue;
      this.#lostBytes -= piece.data.length;
      return { requestId: range.requestId, offset: piece.offset, data: piece.data };
    }
    for (let i = 0; i < this.#sending.length; i += 1) {
      const range = this.#sending[i] as ServedRange;
      const piece = range.takeReady(maxBytes);
      if (piece === undefined) continue;
      this.#readyBytes -= piece.data.length;
      if (range.isSent) this.#sending.splice(i, 1);
      return { requestId: range.requestId, offset: piece.offset, data: piece.data };
    }
    return undefined;
  }

  /** Bytes that were taken arrived. */
  markAcked(requestId: number, offset: number, length: number): void {
    const range = this.#ranges.get(requestId);
    if (range === undefined) return;
    this.#uncount(range);
    range.markAcked(offset, length);
    this.#count(range);
    if (range.isAcked) this.#end(range);
  }

  /** Bytes that were taken must be sent again. */
  markLost(requestId: number, offset: number, length: number): void {
    const range = this.#ranges.get(requestId);
    if (range === undefined) return;
    this.#uncount(range);
    range.markLost(offset, length);
    this.#count(range);
  }

  /** Bytes that were taken, if they are still held. */
  copyOf(requestId: number, offset: number, length: number): Uint8Array | undefined {
    return this.#ranges.get(requestId)?.copyOf(offset, length);
  }

  #uncount(range: ServedRange): void {
    this.#readyBytes -= range.readyBytes;
    this.#lostBytes -= range.lostBytes;
    this.#heldBytes -= range.heldBytes;
  }

  #count(range: ServedRange): void {
    this.#readyBytes += range.readyBytes;
    this.#lostBytes += range.lostBytes;
    this.#heldBytes += range.heldBytes;
    if (range.lostBytes > 0) this.#losing.add(range);
    else this.#losing.delete(range);
  }

  #endRead(requestId: number, offset: number): number | undefined {
    const range = this.#ranges.get(requestId) ?? this.#ended.get(requestId);
    const length = range?.endRead(offset);
    if (length !== undefined) this.#readingBytes -= this.#shareOf(length);
    if (range?.readingBytes === 0) this.#ended.delete(requestId);
    return length;
  }

  #shareOf(readLength: number): number {
    return Math.max(readLength, this.#minReadShare);
  }

  #refuse(range: ServedRange, code: number, reason: string, version: string): void {
    this.#end(range);
    this.#refusals.push({ requestId: range.requestId, code, reason, version });
  }

  #end(range: ServedRange): void {
    this.#ranges.delete(range.requestId);
    this.#losing.delete(range);
    const index = this.#sending.indexOf(range);
    if (index >= 0) this.#sending.splice(index, 1);
    this.#uncount(range);
    if (range.readingBytes > 0) this.#ended.set(range.requestId, range);
  }
}

function violation(reason: string): ProtocolFailure {
  return failure(ErrorCode.PROTOCOL_VIOLATION, reason);
}
