import { RangeSet } from "../base/range-set.ts";

/** Chunks in front of the list that are gone before the list is made shorter. */
const COMPACT_AFTER = 1024;

/** A chunk of this size grows no more: memory goes when all of a chunk is acknowledged. */
const MAX_JOINED_BYTES = 256 * 1024;

/**
 * The bytes of one stream from `write` until their acknowledgement, by reference and with gaps where nothing is sent.
 * Views are handed out of the chunks as they were written; nothing is copied. In-order use costs O(1) for each call, anything else
 * a binary search over the chunks.
 */
export class SendBuffer {
  #chunks: Chunk[] = [];
  /** Index of the first chunk that is still needed; those before it are released. */
  #head = 0;
  /** Where the last search ended; the next usually ends there or one further. */
  #hint = 0;
  /** Acknowledged parts from the first needed chunk on; empty while whole chunks are acknowledged in order. */
  readonly #acked = new RangeSet();
  #endOffset: number;
  #dataEndOffset: number;
  #heldBytes = 0;
  #ackedBytes = 0;

  constructor(startOffset: number) {
    this.#endOffset = startOffset;
    this.#dataEndOffset = startOffset;
  }

  /** Offset of the next byte that will be appended. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** End of the last byte that was appended; less than `endOffset` if a gap follows it. */
  get dataEndOffset(): number {
    return this.#dataEndOffset;
  }

  /** Where the first chunk begins that is still needed; the end if there is none. */
  get firstHeldOffset(): number {
    return this.#chunks[this.#head]?.start ?? this.#endOffset;
  }

  /** Bytes appended and not acknowledged. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bytes acknowledged, each counted once. */
  get ackedBytes(): number {
    return this.#ackedBytes;
  }

  /** Chunks in memory; for tests of the release of memory. */
  get chunkCount(): number {
    return this.#chunks.length - this.#head;
  }

  append(data: Uint8Array): void {
    if (data.length === 0) return;
    const start = this.#endOffset;
    this.#endOffset = start + data.length;
    const follows = start === this.#dataEndOffset;
    this.#dataEndOffset = this.#endOffset;
    this.#heldBytes += data.length;
    const last = this.#chunks.at(-1);
    if (follows && last?.data !== undefined && last.data.length < MAX_JOINED_BYTES && isFollowedBy(last.data, data)) {
      // One view of the same memory: frames need not end where a write did.
      last.data = new Uint8Array(data.buffer, last.data.byteOffset, last.data.length + data.length);
      last.end = this.#endOffset;
    } else this.#chunks.push(new Chunk(start, this.#endOffset, data));
  }

  /** Leaves a gap of that many bytes. */
  skip(bytes: number): void {
    this.#endOffset += bytes;
  }

  /** The first offset at or after `offset` that has a byte, if there is one. */
  nextDataOffset(offset: number): number | undefined {
    if (offset >= this.#dataEndOffset) return undefined;
    const chunk = this.#chunks[this.#find(offset)];
    return chunk === undefined ? undefined : Math.max(offset, chunk.start);
  }

  /** The bytes from `offset` (which must be in a chunk) to `end`, or to the end of the chunk if that comes first. */
  view(offset: number, end: number): Uint8Array {
    const chunk = this.#chunks[this.#find(offset)];
    if (chunk?.data === undefined || chunk.start > offset) throw new Error(`no byte to send at offset ${offset}`);
    if (offset === chunk.start && end >= chunk.end) return chunk.data;
    return chunk.data.subarray(offset - chunk.start, Math.min(end, chunk.end) - chunk.start);
  }

  /** The bytes from `offset` to `end` if all of them are still in memory, in one piece. */
  heldView(offset: number, end: number): Uint8Array | undefined {
    const chunk = this.#chunks[this.#find(offset)];
    if (chunk?.data === undefined || chunk.start > offset || chunk.end < end) return undefined;
    return chunk.data.subarray(offset - chunk.start, end - chunk.start);
  }

  /** Lets go of acknowledged bytes; a chunk's memory goes when all of it is acknowledged. */
  acknowledge(start: number, end: number): void {
    let index = this.#find(start);
    for (let chunk = this.#chunks[index]; chunk !== undefined && chunk.start < end; chunk = this.#chunks[index]) {
      if (chunk.data !== undefined) this.#acknowledgeIn(chunk, Math.max(start, chunk.start), Math.min(end, chunk.end));
      index += 1;
    }
    this.#dropReleased();
  }

  /** Adds what is still needed of [start, end) to `into`; answers how many bytes that were. */
  addNeeded(start: number, end: number, into: RangeSet): number {
    let added = 0;
    let index = this.#find(start);
    for (let chunk = this.#chunks[index]; chunk !== undefined && chunk.start < end; chunk = this.#chunks[index]) {
      if (chunk.data !== undefined) added += this.#addUnacked(Math.max(start, chunk.start), Math.min(end, chunk.end), into);
      index += 1;
    }
    return added;
  }

  /** Forgets the bytes at and after `offset`, which becomes the end. */
  truncate(offset: number): void {
    while (this.#chunks.length > this.#head) {
      const last = this.#chunks[this.#chunks.length - 1] as Chunk;
      if (last.end <= offset) break;
      this.#chunks.pop();
      this.#heldBytes -= last.end - Math.max(last.start, offset);
      if (last.start >= offset) continue;
      if (last.data !== undefined) this.#chunks.push(new Chunk(last.start, offset, last.data.subarray(0, offset - last.start)));
      break;
    }
    this.#hint = this.#head;
    this.#endOffset = Math.min(this.#endOffset, offset);
    this.#dataEndOffset = Math.min(this.#dataEndOffset, offset);
    // What remains of a cut chunk may be acknowledged already.
    const last = this.#chunks.at(-1);
    if (last?.data !== undefined && this.#acked.covers(last.start, last.end)) last.data = undefined;
    this.#dropReleased();
  }

  /** Forgets everything that is held. */
  clear(): void {
    this.#chunks = [];
    this.#head = 0;
    this.#hint = 0;
    this.#acked.clear();
    this.#heldBytes = 0;
    this.#dataEndOffset = this.#endOffset;
  }

  #acknowledgeIn(chunk: Chunk, start: number, end: number): void {
    const isWhole = start === chunk.start && end === chunk.end;
    const newBytes = isWhole && this.#acked.isEmpty ? end - start : this.#acked.add(start, end);
    this.#ackedBytes += newBytes;
    this.#heldBytes -= newBytes;
    if (isWhole || this.#acked.covers(chunk.start, chunk.end)) chunk.data = undefined;
  }

  /** [start, end) lies within one chunk that is held. */
  #addUnacked(start: number, end: number, into: RangeSet): number {
    const acked = this.#acked;
    if (acked.isEmpty) return into.add(start, end);
    let added = 0;
    let cursor = start;
    for (let index = firstRangeAfter(acked, start); index < acked.rangeCount && cursor < end; index += 1) {
      const from = acked.startAt(index);
      if (from >= end) break;
      added += into.add(cursor, from);
      cursor = acked.endAt(index);
    }
    return added + into.add(cursor, end);
  }

  #dropReleased(): void {
    const chunks = this.#chunks;
    let head = this.#head;
    while (head < chunks.length && (chunks[head] as Chunk).data === undefined) head += 1;
    if (head === this.#head) return;
    const needed = chunks[head];
    if (needed === undefined) {
      this.#acked.clear();
      this.#chunks = [];
      this.#head = 0;
      this.#hint = 0;
      return;
    }
    if (!this.#acked.isEmpty) this.#acked.delete(0, needed.start);
    this.#head = head;
    if (head >= COMPACT_AFTER && head * 2 >= chunks.length) {
      chunks.splice(0, head);
      this.#hint = Math.max(0, this.#hint - head);
      this.#head = 0;
    }
  }

  /** Index of the first chunk that ends after `offset`; the list's length if there is none. */
  #find(offset: number): number {
    const chunks = this.#chunks;
    let low = this.#head;
    for (let index = Math.max(low, this.#hint); index < chunks.length && index <= this.#hint + 1; index += 1) {
      if (offset >= (chunks[index] as Chunk).end) low = index + 1;
      else if (index === this.#head || offset >= (chunks[index - 1] as Chunk).end) return (this.#hint = index);
      else break;
    }
    const first = chunks[this.#head];
    if (first === undefined) return chunks.length;
    if (offset < first.end) return this.#head;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offset < (chunks[middle] as Chunk).end) high = middle;
      else low = middle + 1;
    }
    this.#hint = low;
    return low;
  }
}

class Chunk {
  readonly start: number;
  end: number;
  /** Undefined once all of it is acknowledged. */
  data: Uint8Array | undefined;

  constructor(start: number, end: number, data: Uint8Array | undefined) {
    this.start = start;
    this.end = end;
    this.data = data;
  }
}

function isFollowedBy(data: Uint8Array, next: Uint8Array): boolean {
  return data.buffer === next.buffer && data.byteOffset + data.length === next.byteOffset;
}

/** Index of the first range that ends after `offset`. */
function firstRangeAfter(ranges: RangeSet, offset: number): number {
  let low = 0;
  let high = ranges.rangeCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offset < ranges.endAt(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
