import type { StreamId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import { SendBuffer } from "./send-buffer.ts";

const DEFAULT_PRIORITY = 128;

/** A gap is announced by itself, without a byte that follows it, in steps of at least this many bytes. */
const GAP_STEP_BYTES = 256 * 1024;

const NO_BYTES = new Uint8Array(0);

/** One frame's worth of a stream. */
export interface StreamSegment {
  readonly offset: number;
  /** A view of what was written. Empty with FIN alone, and where only a gap is announced: both are to be sent all the same. */
  readonly data: Uint8Array;
  readonly fin: boolean;
  /** How much of it counts on connection credit. spec: CREDIT-1 */
  readonly newBytes: number;
}

export interface SendStreamOptions {
  /** The peer's credit: an absolute offset. */
  readonly maxOffset: number;
  /**
   * Where the bytes of a contribution start. Giving it (0 included) makes the stream a contribution: it has no FIN and no
   * RESET_STREAM (spec: STREAM-6), and its gaps cost no connection credit.
   */
  readonly startOffset?: number;
  /** 0 to 255, higher first; 128 by default. */
  readonly priority?: number;
}

export type SendState = "open" | "finishing" | "finished" | "reset" | "reset-acknowledged";

/**
 * The sending half of a stream: what was written, what went out, what has to go out again, and the end of it.
 *
 * A gap (`skip`) moves the highest offset like data does and costs credit like data, because the receiver counts by highest offset.
 * Where a gap is larger than the credit, it is crossed in steps of empty segments.
 */
export class SendStream {
  readonly id: StreamId;
  /** 0 to 255, higher first. */
  priority: number;
  readonly #buffer: SendBuffer;
  readonly #isContribution: boolean;
  #maxOffset: number;
  #sentOffset: number;
  readonly #lost = new RangeSet();
  #lostBytes = 0;
  #writtenBytes = 0;
  #sentBytes = 0;
  #isGapLost = false;
  #resentEnd = 0;
  #finalOffset: number | undefined;
  #isFinPending = false;
  #isFinAcked = false;
  #resetCode: number | undefined;
  #stopCode: number | undefined;
  #isResetPending = false;
  #isResetAcked = false;

  constructor(id: StreamId, options: SendStreamOptions) {
    const start = options.startOffset ?? 0;
    this.id = id;
    this.priority = options.priority ?? DEFAULT_PRIORITY;
    this.#buffer = new SendBuffer(start);
    this.#isContribution = options.startOffset !== undefined;
    this.#maxOffset = options.maxOffset;
    this.#sentOffset = start;
  }

  get state(): SendState {
    if (this.#resetCode !== undefined) return this.#isResetAcked ? "reset-acknowledged" : "reset";
    if (this.#finalOffset === undefined) return "open";
    const isAllAcked = this.#buffer.heldBytes === 0 && (this.#isFinAcked || this.#isContribution);
    return isAllAcked ? "finished" : "finishing";
  }

  /** The code of the reset, whoever asked for it. */
  get resetCode(): number | undefined {
    return this.#resetCode;
  }

  /** The code of the peer's STOP_SENDING. */
  get stopCode(): number | undefined {
    return this.#stopCode;
  }

  /** The peer's credit: the absolute offset up to which may be sent. */
  get maxOffset(): number {
    return this.#maxOffset;
  }

  /** Offset at which the next write goes. */
  get writtenOffset(): number {
    return this.#buffer.endOffset;
  }

  /** The highest offset that was sent, gaps that were crossed included. */
  get sentOffset(): number {
    return this.#sentOffset;
  }

  /** Bytes written and never sent, gaps not counted. */
  get unsentBytes(): number {
    return this.#writtenBytes - this.#sentBytes;
  }

  /** Bytes acknowledged, gaps not counted. */
  get ackedBytes(): number {
    return this.#buffer.ackedBytes;
  }

  /** Bytes written and not acknowledged; what `write` holds in memory. */
  get bufferedBytes(): number {
    return this.#buffer.heldBytes;
  }

  /** Everything written before it was acknowledged. */
  get firstHeldOffset(): number {
    return this.#buffer.firstHeldOffset;
  }

  /** Everything from this offset on went out once at most; of bytes before it an old copy may still be waiting in some link. */
  get resentEnd(): number {
    return this.#resentEnd;
  }

  /** Something can be sent now within the stream's credit. Connection credit may still prevent it. */
  get isReady(): boolean {
    if (this.#lostBytes > 0) return true;
    if (this.#resetCode !== undefined) return false;
    if (this.#isGapLost) return true;
    const target = this.#nextTarget();
    if (target === undefined) return false;
    return this.#isWithin(target, this.#maxOffset) || this.#gapStep(target, this.#maxOffset) > 0;
  }

  /** Lost bytes plus new bytes within the stream's credit. An upper bound if gaps are still to be crossed. */
  get readyBytes(): number {
    const unsent = this.unsentBytes;
    return this.#lostBytes + Math.max(0, Math.min(unsent, this.#maxOffset - this.#sentOffset));
  }

  /** There is something to send, and the stream's credit prevents it. */
  get isBlockedByStreamCredit(): boolean {
    if (this.#resetCode !== undefined) return false;
    const target = this.#nextTarget();
    return target !== undefined && this.#hasMoreAt(target) && !this.#isWithin(target, this.#maxOffset);
  }

  get resetPending(): boolean {
    return this.#isResetPending;
  }

  /** Appends bytes, by reference: they must not change afterwards. Ignored after a reset; an error after `finish`. */
  write(data: Uint8Array): void {
    if (this.#resetCode !== undefined) return;
    if (this.#finalOffset !== undefined) throw new Error("write after finish");
    this.#writtenBytes += data.length;
    this.#buffer.append(data);
  }

  /** Leaves out that many bytes, which others deliver. Ignored after a reset; an error after `finish`. */
  skip(bytes: number): void {
    if (this.#resetCode !== undefined) return;
    if (this.#finalOffset !== undefined) throw new Error("skip after finish");
    this.#buffer.skip(bytes);
  }

  /** Ends the stream at the present write offset. */
  finish(): void {
    if (this.#resetCode !== undefined || this.#finalOffset !== undefined) return;
    this.#finalOffset = this.#buffer.endOffset;
    this.#isFinPending = !this.#isContribution;
  }

  /**
   * Ends the stream at what was sent so far. The first code counts; without effect once finished. A contribution drops only what
   * was never sent: the rest goes out until it is acknowledged, so that connection credit stays in balance.
   */
  reset(code: number): void {
    if (this.#resetCode !== undefined || this.state === "finished") return;
    this.#resetCode = code;
    this.#isFinPending = false;
    this.#isGapLost = false;
    if (this.#isContribution) {
      this.#buffer.truncate(this.#sentOffset);
      this.#isResetAcked = this.#buffer.heldBytes === 0;
    } else {
      this.#buffer.clear();
      this.#lost.clear();
      this.#lostBytes = 0;
      this.#isResetPending = true;
    }
    this.#writtenBytes = this.#sentBytes;
  }

  /** STOP_SENDING arrived: resets with its code. */
  stopped(code: number): void {
    this.#stopCode ??= code;
    this.reset(code);
  }

  /** MAX_STREAM_DATA arrived; a lower limit is old news. Answers whether it grew. */
  handleMaxOffset(limit: number): boolean {
    if (limit <= this.#maxOffset) return false;
    this.#maxOffset = limit;
    return true;
  }

  /**
   * The next segment: lost bytes first, lowest offset first, then new bytes. At most `maxBytes` of data and `connectionCredit` of
   * `newBytes`. Undefined if there is nothing, or no credit for it. FIN comes with the last byte, or alone after it.
   */
  take(maxBytes: number, connectionCredit: number): StreamSegment | undefined {
    if (this.#lostBytes > 0) return maxBytes > 0 ? this.#takeLost(maxBytes) : undefined;
    if (this.#resetCode !== undefined) return undefined;
    const target = this.#nextTarget();
    if (target !== undefined) {
      const reach = this.#isContribution ? this.#maxOffset : Math.min(this.#maxOffset, this.#sentOffset + connectionCredit);
      if (this.#isWithin(target, reach)) {
        if (target >= this.#buffer.dataEndOffset) return this.#cross(target, true);
        // A contribution pays for its bytes only; for others the gap before them is in `reach` already.
        const payable = this.#isContribution ? target + connectionCredit : reach;
        return this.#takeNew(target, Math.min(reach, payable, target + maxBytes));
      }
      const step = this.#gapStep(target, reach);
      if (step > 0) return this.#cross(this.#sentOffset + step, false);
    }
    return this.#isGapLost ? this.#cross(this.#sentOffset, false) : undefined;
  }

  /** A segment arrived. May be called again, and after `markLost`. */
  markAcked(offset: number, length: number, fin: boolean): void {
    if (this.#resetCode !== undefined && !this.#isContribution) return;
    if (length > 0) {
      this.#buffer.acknowledge(offset, offset + length);
      if (this.#lostBytes > 0) this.#lostBytes -= this.#lost.delete(offset, offset + length);
    }
    if (fin) {
      this.#isFinAcked = true;
      this.#isFinPending = false;
    }
    if (offset + length === this.#sentOffset) this.#isGapLost = false;
    if (this.#resetCode !== undefined) this.#isResetAcked = this.#buffer.heldBytes === 0;
  }

  /** A segment has to go out again, except for what of it was acknowledged. May be called again. */
  markLost(offset: number, length: number, fin: boolean): void {
    if (this.#resetCode !== undefined && !this.#isContribution) return;
    if (length > 0) {
      this.#resentEnd = Math.max(this.#resentEnd, offset + length);
      this.#lostBytes += this.#buffer.addNeeded(offset, offset + length, this.#lost);
    }
    if (fin && !this.#isFinAcked) this.#isFinPending = true;
    // A later segment tells the receiver of the gap as well.
    if (length === 0 && !fin && offset === this.#sentOffset) this.#isGapLost = true;
  }

  /** The bytes of a segment that went out, to go out a second time; undefined if that is of no use any more. */
  copyOf(offset: number, length: number): Uint8Array | undefined {
    if (this.#resetCode !== undefined) return undefined;
    const data = length === 0 ? NO_BYTES : this.#buffer.heldView(offset, offset + length);
    if (data !== undefined) this.#resentEnd = Math.max(this.#resentEnd, offset + length);
    return data;
  }

  /** The RESET_STREAM to send now, once until it is lost. */
  takeReset(): { readonly code: number; readonly finalSize: number } | undefined {
    if (!this.#isResetPending || this.#resetCode === undefined) return undefined;
    this.#isResetPending = false;
    return { code: this.#resetCode, finalSize: this.#sentOffset };
  }

  markResetAcked(): void {
    this.#isResetAcked = true;
    this.#isResetPending = false;
  }

  markResetLost(): void {
    if (this.#resetCode !== undefined && !this.#isResetAcked && !this.#isContribution) this.#isResetPending = true;
  }

  /** Where the next new byte is; else where FIN goes; else the end of a trailing gap; undefined if none of them is left to send. */
  #nextTarget(): number | undefined {
    const buffer = this.#buffer;
    const sent = this.#sentOffset;
    if (sent < buffer.dataEndOffset) return buffer.nextDataOffset(sent);
    if (this.#isFinPending) return this.#finalOffset;
    return sent < buffer.endOffset && !this.#isContribution ? buffer.endOffset : undefined;
  }

  /** Whether there is a byte or a FIN at the target, not only the end of a gap. */
  #hasMoreAt(target: number): boolean {
    return target < this.#buffer.dataEndOffset || this.#isFinPending;
  }

  /** Whether what is at the target can be sent with credit up to `reach`. */
  #isWithin(target: number, reach: number): boolean {
    if (target < this.#buffer.dataEndOffset) return target < reach;
    return this.#isFinPending && target <= reach;
  }

  /** How far to move into the gap before the target without reaching it; 0 if that can wait. */
  #gapStep(target: number, reach: number): number {
    if (this.#isContribution) return 0;
    const step = Math.min(target, reach) - this.#sentOffset;
    // Small steps only where connection credit is all that is missing: the receiver returns it for what it has consumed.
    const isNeeded = this.#hasMoreAt(target) && this.#isWithin(target, this.#maxOffset);
    return isNeeded || step >= GAP_STEP_BYTES ? Math.max(0, step) : 0;
  }

  #takeLost(maxBytes: number): StreamSegment {
    const offset = this.#lost.startAt(0);
    const data = this.#buffer.view(offset, Math.min(this.#lost.endAt(0), offset + maxBytes));
    this.#lost.takeFirst(data.length);
    this.#lostBytes -= data.length;
    return { offset, data, fin: this.#takeFinAt(offset + data.length), newBytes: 0 };
  }

  #takeNew(offset: number, end: number): StreamSegment | undefined {
    if (end <= offset) return undefined;
    const data = this.#buffer.view(offset, end);
    const sent = offset + data.length;
    const newBytes = this.#isContribution ? data.length : sent - this.#sentOffset;
    this.#sentBytes += data.length;
    this.#sentOffset = sent;
    this.#isGapLost = false;
    return { offset, data, fin: this.#takeFinAt(sent), newBytes };
  }

  /** An empty segment at `offset`, which becomes the highest sent. */
  #cross(offset: number, fin: boolean): StreamSegment {
    const newBytes = offset - this.#sentOffset;
    this.#sentOffset = offset;
    this.#isGapLost = false;
    if (fin) this.#isFinPending = false;
    return { offset, data: NO_BYTES, fin, newBytes };
  }

  #takeFinAt(offset: number): boolean {
    if (this.#isContribution || offset !== this.#finalOffset || this.#isFinAcked) return false;
    this.#isFinPending = false;
    return true;
  }
}
