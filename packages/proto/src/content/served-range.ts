import { RangeSet } from "../base/range-set.ts";

/** One range that a client asked for: what is to be read of it, what is read, sent and acknowledged. */
export class ServedRange {
  readonly requestId: number;
  readonly contentId: string;
  readonly version: string;
  readonly contentLength: number;
  readonly end: number;
  readonly priority: number;
  /** Reads end at multiples of this. */
  readonly #readBytes: number;
  /** Everything before this offset was read or is being read. */
  #readOffset: number;
  /** Reads under way: offset to length. */
  readonly #reads = new Map<number, number>();
  /** Read bytes by offset / readBytes, until all of a chunk is acknowledged. */
  readonly #chunks = new Map<number, { readonly offset: number; readonly data: Uint8Array }>();
  readonly #ready = new RangeSet();
  readonly #lost = new RangeSet();
  readonly #acked = new RangeSet();
  readonly #start: number;
  #readyBytes = 0;
  #lostBytes = 0;
  #heldBytes = 0;
  #readingBytes = 0;

  constructor(
    requestId: number,
    contentId: string,
    version: string,
    contentLength: number,
    offset: number,
    length: number,
    priority: number,
    readBytes: number,
  ) {
    this.requestId = requestId;
    this.contentId = contentId;
    this.version = version;
    this.contentLength = contentLength;
    this.#start = offset;
    this.#readOffset = offset;
    this.end = offset + length;
    this.priority = priority;
    this.#readBytes = readBytes;
  }

  /** Read and never sent. */
  get readyBytes(): number {
    return this.#readyBytes;
  }

  /** Sent, and to be sent again. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  /** Bytes in memory. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get readingBytes(): number {
    return this.#readingBytes;
  }

  get isReadingDone(): boolean {
    return this.#readOffset >= this.end;
  }

  /** Whether every byte was handed out at least once. */
  get isSent(): boolean {
    return this.isReadingDone && this.#readingBytes === 0 && this.#readyBytes === 0;
  }

  get isAcked(): boolean {
    return this.#acked.covers(this.#start, this.end);
  }

  /** The next read, at most `readBytes` long. */
  nextRead(): { readonly offset: number; readonly length: number } | undefined {
    if (this.isReadingDone) return undefined;
    const offset = this.#readOffset;
    const stop = Math.min(this.end, (Math.floor(offset / this.#readBytes) + 1) * this.#readBytes);
    this.#readOffset = stop;
    this.#reads.set(offset, stop - offset);
    this.#readingBytes += stop - offset;
    return { offset, length: stop - offset };
  }

  /** Ends a read; answers its length, or undefined if none was under way at `offset`. */
  endRead(offset: number): number | undefined {
    const length = this.#reads.get(offset);
    if (length === undefined) return undefined;
    this.#reads.delete(offset);
    this.#readingBytes -= length;
    return length;
  }

  store(offset: number, data: Uint8Array): void {
    this.#chunks.set(Math.floor(offset / this.#readBytes), { offset, data });
    this.#heldBytes += data.length;
    this.#readyBytes += this.#ready.add(offset, offset + data.length);
  }

  takeLost(maxBytes: number): { readonly offset: number; readonly data: Uint8Array } | undefined {
    const piece = this.#takeFrom(this.#lost, maxBytes);
    if (piece !== undefined) this.#lostBytes -= piece.data.length;
    return piece;
  }

  takeReady(maxBytes: number): { readonly offset: number; readonly data: Uint8Array } | undefined {
    const piece = this.#takeFrom(this.#ready, maxBytes);
    if (piece !== undefined) this.#readyBytes -= piece.data.length;
    return piece;
  }

  markAcked(offset: number, length: number): void {
    const start = Math.max(offset, this.#start);
    const end = Math.min(offset + length, this.end);
    if (start >= end) return;
    this.#acked.add(start, end);
    this.#lostBytes -= this.#lost.delete(start, end);
    for (let index = Math.floor(start / this.#readBytes); index * this.#readBytes < end; index += 1) {
      const chunk = this.#chunks.get(index);
      if (chunk === undefined || !this.#acked.covers(chunk.offset, chunk.offset + chunk.data.length)) continue;
      this.#readyBytes -= this.#ready.delete(chunk.offset, chunk.offset + chunk.data.length);
      this.#chunks.delete(index);
      this.#heldBytes -= chunk.data.length;
    }
  }

  /** Bytes that were handed out must be sent again; those acknowledged or never handed out are left alone. */
  markLost(offset: number, length: number): void {
    const start = Math.max(offset, this.#start);
    const end = Math.min(offset + length, this.end);
    for (let at = start; at < end; ) {
      const index = Math.floor(at / this.#readBytes);
      const stop = Math.min(end, (index + 1) * this.#readBytes);
      if (this.#chunks.has(index)) this.#lose(at, stop);
      at = stop;
    }
  }

  /** Bytes that were handed out in one piece, if they are still held. */
  copyOf(offset: number, length: number): Uint8Array | undefined {
    const chunk = this.#chunks.get(Math.floor(offset / this.#readBytes));
    if (chunk === undefined || offset < chunk.offset || offset + length > chunk.offset + chunk.data.length) return undefined;
    return chunk.data.subarray(offset - chunk.offset, offset - chunk.offset + length);
  }

  #lose(start: number, end: number): void {
    this.#lostBytes += this.#lost.add(start, end);
    this.#subtract(this.#acked, start, end);
    this.#subtract(this.#ready, start, end);
  }

  #subtract(present: RangeSet, start: number, end: number): void {
    for (let i = 0; i < present.rangeCount && present.startAt(i) < end; i += 1) {
      this.#lostBytes -= this.#lost.delete(Math.max(start, present.startAt(i)), Math.min(end, present.endAt(i)));
    }
  }

  #takeFrom(ranges: RangeSet, maxBytes: number): { readonly offset: number; readonly data: Uint8Array } | undefined {
    if (ranges.isEmpty) return undefined;
    const start = ranges.startAt(0);
    const chunk = this.#chunks.get(Math.floor(start / this.#readBytes)) as { readonly offset: number; readonly data: Uint8Array };
    const taken = ranges.takeFirst(Math.min(maxBytes, chunk.offset + chunk.data.length - start));
    if (taken === undefined) return undefined;
    return { offset: start, data: chunk.data.subarray(start - chunk.offset, taken.end - chunk.offset) };
  }
}
