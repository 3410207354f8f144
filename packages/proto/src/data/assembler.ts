import type { Arrival } from "./arrival.ts";
import { Piece } from "./piece.ts";
import { isWasteful, ReadQueue } from "./read-queue.ts";

/** More pieces than this beyond holes are joined into patches where they are dense. */
const MAX_LOOSE_PIECES = 4096;
/** Stretch of the stream that one patch spans at most, in bytes. */
const PATCH_BYTES = 64 * 1024;
/** So many pieces within the stretch make a patch worth its memory. */
const MIN_PATCH_PIECES = 8;

/**
 * Puts the bytes of a stream in order. The first copy of a byte wins; later ones only fill holes. Pieces are kept as the views
 * that arrived, unless a small view would keep a large buffer alive. Bytes in order cost O(1), others a binary search. The number
 * of pieces is bounded: where thousands of them lie between holes they are moved into patches, whose memory is at most
 * nine eighths of the stretch they span.
 */
export class Assembler {
  readonly #queue = new ReadQueue();
  /** Ascending and disjoint, from `#head` on; all beyond `#contiguousEnd`, except that a patch may begin before it. */
  #pieces: Piece[] = [];
  #head = 0;
  #contiguousEnd = 0;
  #bufferedBytes = 0;
  #joinAbove = MAX_LOOSE_PIECES;

  /** Offset of the next byte that `read` gives. */
  get readOffset(): number {
    return this.#contiguousEnd - this.#queue.bytes;
  }

  /** Offset of the first byte that has not arrived. */
  get contiguousEnd(): number {
    return this.#contiguousEnd;
  }

  /** Bytes that `read` can give now. */
  get readableBytes(): number {
    return this.#queue.bytes;
  }

  /** Bytes that arrived and were not read. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Pieces in memory, those in order included. */
  get pieceCount(): number {
    return this.#queue.pieceCount + this.#pieces.length - this.#head;
  }

  /** Takes bytes in; answers how many of them had not been there. `arrival` is their memory, if it can be given back. */
  insert(offset: number, data: Uint8Array, arrival?: Arrival): number {
    let start = offset;
    const end = offset + data.length;
    const contiguousEnd = this.#contiguousEnd;
    if (end <= contiguousEnd) return 0;
    let bytes = data;
    if (start < contiguousEnd) {
      bytes = data.subarray(contiguousEnd - start);
      start = contiguousEnd;
    }
    const next = this.#pieces[this.#head];
    let added: number;
    if (start === contiguousEnd && (next === undefined || end <= next.start)) {
      this.#queue.push(bytes, arrival);
      this.#contiguousEnd = end;
      added = end - start;
    } else {
      // Beyond a hole pieces are cut and joined: their memory is left to the collector.
      arrival?.leave();
      added = this.#insertBeyond(start, end, bytes);
    }
    this.#bufferedBytes += added;
    this.#promote();
    if (this.#pieces.length - this.#head > this.#joinAbove) this.#join();
    return added;
  }

  /** Whether all bytes of [start, end) have arrived. */
  covers(start: number, end: number): boolean {
    let cursor = Math.max(start, this.#contiguousEnd);
    for (let index = this.#find(cursor); cursor < end; index += 1) {
      const piece = this.#pieces[index];
      if (piece === undefined || piece.start > cursor) return false;
      const runEnd = piece.runEnd(cursor);
      if (runEnd < Math.min(end, piece.end)) return false;
      cursor = runEnd;
    }
    return true;
  }

  /** The next bytes in order, and takes them out; undefined if the next byte is missing. */
  read(): Uint8Array | undefined {
    const data = this.#queue.shift();
    if (data !== undefined) this.#bufferedBytes -= data.length;
    return data;
  }

  /** Copies the next bytes in order, as many as there are and fit; answers how many. */
  readInto(target: Uint8Array): number {
    const bytes = this.#queue.copyInto(target);
    this.#bufferedBytes -= bytes;
    return bytes;
  }

  /** Forgets everything that was not read. */
  discard(): void {
    this.#queue.clear();
    this.#pieces = [];
    this.#head = 0;
    this.#bufferedBytes = 0;
  }

  /** Forgets what lies at or beyond `end`, which must not be less than `contiguousEnd`. */
  truncate(end: number): void {
    const pieces = this.#pieces;
    while (pieces.length > this.#head) {
      const last = pieces[pieces.length - 1] as Piece;
      if (last.end <= end) return;
      pieces.pop();
      const kept = last.start < end ? last.before(end) : undefined;
      if (kept !== undefined) pieces.push(kept);
      this.#bufferedBytes -= this.#unreadBytes(last) - (kept === undefined ? 0 : this.#unreadBytes(kept));
    }
  }

  /** What of the piece is not in the queue yet; a patch may have given its first bytes to it. */
  #unreadBytes(piece: Piece): number {
    return piece.filledBytes - Math.max(0, this.#contiguousEnd - piece.start);
  }

  #insertBeyond(start: number, end: number, data: Uint8Array): number {
    let added = 0;
    let cursor = start;
    let index = this.#find(start);
    while (cursor < end) {
      const piece = this.#pieces[index];
      const holeEnd = piece === undefined ? end : Math.min(end, piece.start);
      if (cursor < holeEnd) {
        const part = keepable(data.subarray(cursor - start, holeEnd - start));
        const fresh = new Piece(cursor, part, false);
        if (index === this.#pieces.length) this.#pieces.push(fresh);
        else this.#pieces.splice(index, 0, fresh);
        added += holeEnd - cursor;
        cursor = holeEnd;
      } else if (piece !== undefined) {
        const stop = Math.min(end, piece.end);
        added += piece.fill(cursor, data.subarray(cursor - start, stop - start));
        cursor = stop;
      }
      index += 1;
    }
    return added;
  }

  /** Moves to the reader what is in order now. */
  #promote(): void {
    for (let piece = this.#pieces[this.#head]; piece !== undefined; piece = this.#pieces[this.#head]) {
      if (piece.start > this.#contiguousEnd) return;
      const runEnd = piece.runEnd(this.#contiguousEnd);
      if (runEnd > this.#contiguousEnd) {
        this.#queue.push(piece.view(this.#contiguousEnd, runEnd));
        this.#contiguousEnd = runEnd;
      }
      if (runEnd < piece.end) return;
      this.#dropFirst();
    }
  }

  #dropFirst(): void {
    this.#head += 1;
    if (this.#head === this.#pieces.length) {
      this.#pieces = [];
      this.#head = 0;
    } else if (this.#head >= 256 && this.#head * 2 >= this.#pieces.length) {
      this.#pieces.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** Joins pieces that lie close together into patches. */
  #join(): void {
    const pieces = this.#pieces;
    const joined: Piece[] = [];
    let index = this.#head;
    while (index < pieces.length) {
      const first = pieces[index] as Piece;
      let stop = index + 1;
      while (stop < pieces.length && (pieces[stop] as Piece).end - first.start <= PATCH_BYTES) stop += 1;
      if (stop - index < MIN_PATCH_PIECES) joined.push(first);
      else {
        const patch = Piece.patch(first.start, (pieces[stop - 1] as Piece).end);
        for (let i = index; i < stop; i += 1) (pieces[i] as Piece).copyInto(patch);
        joined.push(patch);
        index = stop - 1;
      }
      index += 1;
    }
    this.#pieces = joined;
    this.#head = 0;
    this.#joinAbove = Math.max(MAX_LOOSE_PIECES, joined.length * 2);
  }

  /** Index of the first piece that ends after `offset`. */
  #find(offset: number): number {
    const pieces = this.#pieces;
    let low = this.#head;
    let high = pieces.length;
    const last = pieces[high - 1];
    if (last === undefined || last.end <= offset) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offset < (pieces[middle] as Piece).end) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** The bytes as they are to be kept: a copy if the view is small against the buffer it lies in. */
function keepable(data: Uint8Array): Uint8Array {
  return isWasteful(data) ? new Uint8Array(data) : data;
}
