/** Pieces shorter than this are joined while the reader is behind, whatever buffer they lie in. */
const SMALL_BYTES = 1024;
/** Pieces of this size and more are never copied to save memory. */
const LARGE_BYTES = 16 * 1024;
/** A view may keep a buffer alive that is this many times its size. */
const MAX_BACKING_RATIO = 4;

/**
 * Bytes in order that wait for the reader. What arrives at an empty queue is kept as it came, since it is likely to be read at once;
 * behind that, small pieces are joined in blocks of our own, so that memory follows the number of bytes and not of pieces.
 */
export class ReadQueue {
  #pieces: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;
  /** The block that the last piece is a view of, if it is ours and may grow. */
  #block: Uint8Array | undefined;
  #blockUsed = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get pieceCount(): number {
    return this.#pieces.length - this.#head;
  }

  push(data: Uint8Array): void {
    this.#bytes += data.length;
    if (this.#head < this.#pieces.length && (data.length < SMALL_BYTES || isWasteful(data))) {
      this.#pushCopy(data);
      return;
    }
    this.#block = undefined;
    this.#pieces.push(data);
  }

  shift(): Uint8Array | undefined {
    const piece = this.#pieces[this.#head];
    if (piece === undefined) return undefined;
    this.#bytes -= piece.length;
    this.#head += 1;
    if (this.#head === this.#pieces.length) this.clear();
    else if (this.#head >= 256 && this.#head * 2 >= this.#pieces.length) {
      this.#pieces.splice(0, this.#head);
      this.#head = 0;
    } else this.#pieces[this.#head - 1] = NOTHING;
    return piece;
  }

  clear(): void {
    this.#pieces = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#block = undefined;
  }

  #pushCopy(data: Uint8Array): void {
    const block = this.#block;
    const used = this.#blockUsed;
    if (block !== undefined && used + data.length <= block.length) {
      block.set(data, used);
      this.#blockUsed = used + data.length;
      this.#pieces[this.#pieces.length - 1] = block.subarray(0, this.#blockUsed);
      return;
    }
    const size = block === undefined ? SMALL_BYTES : Math.min(block.length * 2, LARGE_BYTES);
    const next = new Uint8Array(Math.max(size, data.length));
    next.set(data);
    this.#block = next;
    this.#blockUsed = data.length;
    this.#pieces.push(next.subarray(0, data.length));
  }
}

const NOTHING = new Uint8Array(0);

/** Whether keeping this view would keep a much larger buffer alive. */
export function isWasteful(data: Uint8Array): boolean {
  return data.length < LARGE_BYTES && data.buffer.byteLength > MAX_BACKING_RATIO * data.length;
}
