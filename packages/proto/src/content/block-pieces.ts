import { RangeSet } from "../base/range-set.ts";

/** Average length below which pieces are copied together, in bytes. */
const MIN_AVERAGE_PIECE_BYTES = 512;

/** Unconnected ranges of one block, at most. spec: CONTENT-14 */
const MAX_ISLANDS = 1024;

/** A piece shorter than this, in a buffer four times larger, is copied: else a few bytes would hold the whole buffer. */
const PINNED_BYTES = 4096;

/**
 * The bytes of one block as one source sends them: views in any order, repetitions ignored.
 * Many tiny pieces are copied into one buffer of the block's length, so that memory follows the bytes.
 */
export class BlockPieces {
  readonly #length: number;
  readonly #maxPieces: number;
  /** Ascending, disjoint. */
  readonly #starts: number[] = [];
  readonly #views: Uint8Array[] = [];
  #received = 0;
  /** Set once the pieces were copied together. */
  #flat: Uint8Array | undefined;
  #filled: RangeSet | undefined;

  constructor(length: number) {
    this.#length = length;
    this.#maxPieces = Math.max(16, Math.ceil(length / MIN_AVERAGE_PIECE_BYTES));
  }

  /** Distinct bytes that arrived. */
  get receivedBytes(): number {
    return this.#received;
  }

  get isComplete(): boolean {
    return this.#received === this.#length;
  }

  /** Adds bytes at `offset` of the block, inside its length; answers how many were new, or undefined if the block is in too many islands. */
  add(offset: number, data: Uint8Array): number | undefined {
    if (data.length === 0) return 0;
    const added = this.#flat === undefined ? this.#insert(offset, data) : this.#copy(offset, data);
    this.#received += added;
    if (this.#flat === undefined && this.#views.length > this.#maxPieces) this.#flatten();
    if (this.#filled !== undefined && this.#filled.rangeCount > MAX_ISLANDS) return undefined;
    return added;
  }

  /** The bytes in order; of a complete block. Views, not copies. */
  parts(): Uint8Array[] {
    return this.#flat === undefined ? this.#views : [this.#flat];
  }

  #insert(offset: number, data: Uint8Array): number {
    const last = this.#views.length - 1;
    if (last < 0 || offset >= (this.#starts[last] as number) + (this.#views[last] as Uint8Array).length) {
      this.#starts.push(offset);
      this.#views.push(unpinned(data));
      return data.length;
    }
    let index = this.#firstEndingAfter(offset);
    let added = 0;
    let from = offset;
    const end = offset + data.length;
    while (from < end) {
      const start = this.#starts[index];
      const gapEnd = start === undefined ? end : Math.min(end, start);
      if (from < gapEnd) {
        this.#starts.splice(index, 0, from);
        this.#views.splice(index, 0, unpinned(data.subarray(from - offset, gapEnd - offset)));
        added += gapEnd - from;
        index += 1;
      }
      if (start === undefined) break;
      from = Math.max(from, start + (this.#views[index] as Uint8Array).length);
      index += 1;
    }
    return added;
  }

  #firstEndingAfter(offset: number): number {
    let low = 0;
    let high = this.#views.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] as number) + (this.#views[middle] as Uint8Array).length > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** One source owns the block, so a byte that comes twice is the same byte, or the hash tells. */
  #copy(offset: number, data: Uint8Array): number {
    (this.#flat as Uint8Array).set(data, offset);
    return (this.#filled as RangeSet).add(offset, offset + data.length);
  }

  #flatten(): void {
    const flat = new Uint8Array(this.#length);
    const filled = new RangeSet();
    this.#views.forEach((view, index) => {
      const start = this.#starts[index] as number;
      flat.set(view, start);
      filled.add(start, start + view.length);
    });
    this.#flat = flat;
    this.#filled = filled;
    this.#starts.length = 0;
    this.#views.length = 0;
  }
}

function unpinned(data: Uint8Array): Uint8Array {
  return data.length < PINNED_BYTES && data.buffer.byteLength > 4 * data.length ? new Uint8Array(data) : data;
}
