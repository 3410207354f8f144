import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { MemberId, StreamId } from "../base/ids.ts";
import { RangeSet } from "../base/range-set.ts";
import type { Arrival } from "./arrival.ts";
import { Assembler } from "./assembler.ts";
import { ContributionLedger } from "./contribution-ledger.ts";
import type { ReceiveWindow } from "./receive-window.ts";

/** Content regions of one stream that are not yet read, at most. Regions that touch count as one. */
const MAX_CONTENT_REGIONS = 1000;

export interface ReceiveStreamOptions {
  /** The member whose bytes make the stream, and who ends it; everyone else contributes. */
  readonly home: MemberId;
  /** How far may be sent. The owner tells it what `read` gave: this class knows no time. */
  readonly window: ReceiveWindow;
}

/** Takes connection credit that goes back to a member. */
export type CreditRelease = (member: MemberId, bytes: number) => void;

/**
 * The receiving half of a stream: puts the bytes of the home, of contributors and of verified content in order, checks credit and
 * final size, and keeps the account of connection credit. Credit is returned when the reader passes a byte, or when bytes are
 * discarded; for each member the sum of what `takeReleased` gives in the end equals the sum of what `handleData` and `handleReset` answered.
 */
export class ReceiveStream {
  readonly id: StreamId;
  readonly home: MemberId;
  readonly window: ReceiveWindow;
  readonly #assembler = new Assembler();
  #contributors: Map<MemberId, ContributionLedger> | undefined;
  #content: RangeSet | undefined;
  #highestOffset = 0;
  #releasedOffset = 0;
  #finalSize: number | undefined;
  /** FIN or RESET_STREAM of the home arrived; otherwise a final size is that of content. */
  #isEnded = false;
  #resetCode: number | undefined;
  #stopCode: number | undefined;
  #duplicateBytes = 0;

  constructor(id: StreamId, options: ReceiveStreamOptions) {
    this.id = id;
    this.home = options.home;
    this.window = options.window;
  }

  /** Bytes that `read` can give now. */
  get readableBytes(): number {
    return this.#assembler.readableBytes;
  }

  /** Everything up to the final size was read, or discarded after `stop`. Never after a reset. */
  get isFinished(): boolean {
    if (this.#finalSize === undefined || this.#resetCode !== undefined) return false;
    return this.#stopCode !== undefined || this.#assembler.readOffset === this.#finalSize;
  }

  /** Whether the home ended the stream, by FIN or reset, so that none of its bytes can count on credit any more. */
  get isEndedByHome(): boolean {
    return this.#isEnded;
  }

  get resetCode(): number | undefined {
    return this.#resetCode;
  }

  get stopCode(): number | undefined {
    return this.#stopCode;
  }

  get finalSize(): number | undefined {
    return this.#finalSize;
  }

  /** Offset of the next byte that `read` gives; after `stop` the final size once it is known. */
  get readOffset(): number {
    return this.#stopCode !== undefined && this.#finalSize !== undefined ? this.#finalSize : this.#assembler.readOffset;
  }

  /** The highest offset that the home has sent, or passed over: what counts on its connection credit. */
  get highestOffset(): number {
    return this.#highestOffset;
  }

  /** Bytes in memory that were not read. Those that need credit are at most a window. */
  get bufferedBytes(): number {
    return this.#assembler.bufferedBytes;
  }

  /** Pieces in which those bytes are kept. */
  get pieceCount(): number {
    return this.#assembler.pieceCount;
  }

  /** Bytes that had arrived before, or after they were wanted. */
  get duplicateBytes(): number {
    return this.#duplicateBytes;
  }

  get firstMissingOffset(): number {
    return this.#assembler.contiguousEnd;
  }

  /**
   * STREAM bytes arrived, as a view that stays as it is; `arrival` is its memory, if that can be given back. Answers how many count on the connection credit of `from`: the growth
   * of the highest offset for the home, bytes not seen before for a contributor. Failures: FLOW_CONTROL beyond the stream's credit,
   * FINAL_SIZE where final sizes contradict, PROTOCOL_VIOLATION for a contributor's FIN and for bytes within content. They change nothing.
   */
  handleData(from: MemberId, offset: number, data: Uint8Array, fin: boolean, arrival?: Arrival): number | ProtocolFailure {
    const end = offset + data.length;
    const isHome = from === this.home;
    if (end > this.window.limit)
      return failure(ErrorCode.FLOW_CONTROL, `stream ${this.id}: byte ${end} with credit to ${this.window.limit}`);
    if (fin) {
      // spec: STREAM-6
      if (!isHome) return failure(ErrorCode.PROTOCOL_VIOLATION, `stream ${this.id}: FIN by member ${from}, which is not its home`);
      const refused = this.#refuseFinalSize(end);
      if (refused !== undefined) return refused;
    }
    const finalSize = this.#finalSize;
    // A reset ends where the home was, and contributors that know nothing of it yet may be ahead.
    if (finalSize !== undefined && end > finalSize && (isHome || this.#resetCode === undefined)) {
      return failure(ErrorCode.FINAL_SIZE, `stream ${this.id}: byte ${end} of ${finalSize}`);
    }
    const isDiscarding = this.#discards();
    if (this.#content !== undefined && data.length > 0 && !isDiscarding && this.#isContentOnly(offset, end)) {
      return failure(ErrorCode.PROTOCOL_VIOLATION, `stream ${this.id}: STREAM bytes at ${offset}, which is content`);
    }
    const counted = isHome ? this.#countHome(end) : this.#countContribution(from, offset, end);
    if (fin) this.#end(end);
    if (isDiscarding) this.#duplicateBytes += data.length;
    else this.#duplicateBytes += data.length - this.#assembler.insert(offset, data, arrival);
    return counted;
  }

  /** RESET_STREAM arrived. Answers what it counts on the home's connection credit. Without effect if every byte had arrived. */
  handleReset(from: MemberId, code: number, finalSize: number): number | ProtocolFailure {
    // spec: STREAM-6
    if (from !== this.home)
      return failure(ErrorCode.PROTOCOL_VIOLATION, `stream ${this.id}: reset by member ${from}, which is not its home`);
    if (finalSize > this.window.limit) {
      return failure(ErrorCode.FLOW_CONTROL, `stream ${this.id}: reset at ${finalSize} with credit to ${this.window.limit}`);
    }
    // The end of content says nothing of how far the home itself has sent when it resets.
    if (finalSize < this.#highestOffset || (this.#isEnded && finalSize !== this.#finalSize)) {
      return failure(ErrorCode.FINAL_SIZE, `stream ${this.id}: reset at ${finalSize}, sent to ${this.#finalSize ?? this.#highestOffset}`);
    }
    const counted = this.#countHome(finalSize);
    if (this.#resetCode !== undefined) return counted;
    this.#isEnded = true;
    if (this.#finalSize !== undefined && this.#assembler.contiguousEnd >= this.#finalSize) return counted;
    this.#finalSize = finalSize;
    this.#resetCode = code;
    this.#assembler.discard();
    this.#content = undefined;
    return counted;
  }

  /** The region will be delivered as content; STREAM bytes in it are violations from now on, those already here stay. */
  reserveContent(offset: number, length: number): ProtocolFailure | undefined {
    const end = offset + length;
    if (!Number.isSafeInteger(end))
      return failure(ErrorCode.PROTOCOL_VIOLATION, `stream ${this.id}: content of ${length} bytes at ${offset}`);
    if (this.#finalSize !== undefined && end > this.#finalSize && !this.#discards()) {
      return failure(ErrorCode.FINAL_SIZE, `stream ${this.id}: content to ${end} of ${this.#finalSize}`);
    }
    if (length === 0 || this.#discards()) return undefined;
    const content = (this.#content ??= new RangeSet());
    content.delete(0, this.#assembler.readOffset);
    if (content.rangeCount >= MAX_CONTENT_REGIONS)
      return failure(ErrorCode.LIMIT_REACHED, `stream ${this.id}: more than ${MAX_CONTENT_REGIONS} contents`);
    if (overlaps(content, offset, end)) return failure(ErrorCode.PROTOCOL_VIOLATION, `stream ${this.id}: two contents at ${offset}`);
    content.add(offset, end);
    return undefined;
  }

  /** Verified bytes of content; they need no credit. spec: CREDIT-4 */
  deliverContent(offset: number, data: Uint8Array): void {
    if (this.#discards()) this.#duplicateBytes += data.length;
    else this.#duplicateBytes += data.length - this.#assembler.insert(offset, data);
  }

  /** Content ends the stream at `size`. Fails with FINAL_SIZE if bytes beyond it, or another final size, are known. */
  setFinalSize(size: number): ProtocolFailure | undefined {
    if (this.#resetCode !== undefined) return undefined;
    const refused = this.#refuseFinalSize(size);
    if (refused !== undefined) return refused;
    this.#finalSize = size;
    this.#assembler.truncate(size);
    return undefined;
  }

  /** The next bytes in order, and takes them out; undefined if there are none now. */
  read(): Uint8Array | undefined {
    return this.#assembler.read();
  }

  /** Copies the next bytes in order into `target`, as many as there are and fit; answers how many. */
  readInto(target: Uint8Array): number {
    return this.#assembler.readInto(target);
  }

  /** Discards what is here and what will come; the account of credit goes on. The first code stays. */
  stop(code: number): void {
    if (this.#stopCode !== undefined) return;
    this.#stopCode = code;
    this.#assembler.discard();
    this.#content = undefined;
  }

  /** Tells `give` of the connection credit to give back since the last call. */
  takeReleased(give: CreditRelease): void {
    const readTo = this.#discards() || this.isFinished ? Number.POSITIVE_INFINITY : this.#assembler.readOffset;
    const homeTo = Math.min(readTo, this.#highestOffset);
    const homeBytes = homeTo - this.#releasedOffset;
    this.#releasedOffset = homeTo;
    if (homeBytes > 0) give(this.home, homeBytes);
    if (this.#contributors === undefined) return;
    for (const [member, ledger] of this.#contributors) {
      const bytes = ledger.release(readTo);
      if (bytes > 0) give(member, bytes);
    }
  }

  // No private getter: each use of one is a call into the runtime.
  #discards(): boolean {
    return this.#stopCode !== undefined || this.#resetCode !== undefined;
  }

  #end(size: number): void {
    this.#isEnded = true;
    this.#finalSize = size;
    // What contributors sent beyond the end is not part of the stream; the final size belongs to the home.
    this.#assembler.truncate(size);
  }

  #refuseFinalSize(size: number): ProtocolFailure | undefined {
    if (this.#finalSize !== undefined && this.#finalSize !== size) {
      return failure(ErrorCode.FINAL_SIZE, `stream ${this.id}: ends at ${size} and at ${this.#finalSize}`);
    }
    const known = Math.max(this.#highestOffset, this.#assembler.contiguousEnd, this.#contentEnd());
    return size < known ? failure(ErrorCode.FINAL_SIZE, `stream ${this.id}: ends at ${size}, sent to ${known}`) : undefined;
  }

  #contentEnd(): number {
    const content = this.#content;
    return content === undefined || content.isEmpty ? 0 : content.endAt(content.rangeCount - 1);
  }

  #countHome(end: number): number {
    const growth = end - this.#highestOffset;
    if (growth <= 0) return 0;
    this.#highestOffset = end;
    return growth;
  }

  #countContribution(from: MemberId, offset: number, end: number): number {
    this.#contributors ??= new Map();
    let ledger = this.#contributors.get(from);
    if (ledger === undefined) {
      ledger = new ContributionLedger();
      this.#contributors.set(from, ledger);
    }
    return ledger.count(offset, end);
  }

  /** Whether some of [offset, end) is content and has not arrived. */
  #isContentOnly(offset: number, end: number): boolean {
    const content = this.#content as RangeSet;
    for (let index = rangeEndingAfter(content, offset); index < content.rangeCount && content.startAt(index) < end; index += 1) {
      if (!this.#assembler.covers(Math.max(offset, content.startAt(index)), Math.min(end, content.endAt(index)))) return true;
    }
    return false;
  }
}

function overlaps(ranges: RangeSet, start: number, end: number): boolean {
  const index = rangeEndingAfter(ranges, start);
  return index < ranges.rangeCount && ranges.startAt(index) < end;
}

/** Index of the first range that ends after `offset`. */
function rangeEndingAfter(ranges: RangeSet, offset: number): number {
  let low = 0;
  let high = ranges.rangeCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offset < ranges.endAt(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
