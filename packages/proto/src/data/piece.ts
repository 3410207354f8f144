/**
 * Bytes of a stream that lie beyond a hole. Either complete, or a patch: memory for a stretch of the stream of which only
 * the marked bytes have arrived.
 */
export class Piece {
  readonly start: number;
  readonly end: number;
  readonly #bytes: Uint8Array;
  /** One bit for each byte that has arrived; undefined if all have. */
  #marks: Uint8Array | undefined;
  #filledBytes: number;

  constructor(start: number, bytes: Uint8Array, isPatch: boolean) {
    this.start = start;
    this.end = start + bytes.length;
    this.#bytes = bytes;
    this.#marks = isPatch ? new Uint8Array((bytes.length + 7) >>> 3) : undefined;
    this.#filledBytes = isPatch ? 0 : bytes.length;
  }

  /** An empty patch for [start, end). */
  static patch(start: number, end: number): Piece {
    return new Piece(start, new Uint8Array(end - start), true);
  }

  get isComplete(): boolean {
    return this.#marks === undefined;
  }

  get filledBytes(): number {
    return this.#filledBytes;
  }

  /** Puts `data` where bytes are missing; it must lie within the piece. Answers how many were. */
  fill(offset: number, data: Uint8Array): number {
    const marks = this.#marks;
    if (marks === undefined) return 0;
    const bytes = this.#bytes;
    let at = offset - this.start;
    let added = 0;
    for (const byte of data) {
      const bit = 1 << (at & 7);
      const mark = marks[at >>> 3] as number;
      if ((mark & bit) === 0) {
        marks[at >>> 3] = mark | bit;
        bytes[at] = byte;
        added += 1;
      }
      at += 1;
    }
    this.#filledBytes += added;
    if (this.#filledBytes === bytes.length) this.#marks = undefined;
    return added;
  }

  /** End of the run of bytes that begins at `offset`; `offset` itself if that byte is missing. */
  runEnd(offset: number): number {
    const marks = this.#marks;
    if (marks === undefined) return this.end;
    let at = offset - this.start;
    while (at < this.#bytes.length && ((marks[at >>> 3] as number) & (1 << (at & 7))) !== 0) at += 1;
    return this.start + at;
  }

  /** First offset from `offset` on whose byte has arrived; the end if there is none. */
  runStart(offset: number): number {
    const marks = this.#marks;
    if (marks === undefined) return offset;
    let at = offset - this.start;
    while (at < this.#bytes.length && ((marks[at >>> 3] as number) & (1 << (at & 7))) === 0) at += 1;
    return this.start + at;
  }

  view(start: number, end: number): Uint8Array {
    if (start === this.start && end === this.end) return this.#bytes;
    return this.#bytes.subarray(start - this.start, end - this.start);
  }

  /** Copies what has arrived into a patch that spans this piece. */
  copyInto(patch: Piece): void {
    for (let from = this.runStart(this.start); from < this.end; ) {
      const to = this.runEnd(from);
      patch.fill(from, this.view(from, to));
      from = to < this.end ? this.runStart(to) : to;
    }
  }

  /** The part before `end`. */
  before(end: number): Piece {
    if (this.#marks === undefined) return new Piece(this.start, this.view(this.start, end), false);
    const cut = Piece.patch(this.start, end);
    for (let from = this.runStart(this.start); from < end; ) {
      const to = Math.min(this.runEnd(from), end);
      cut.fill(from, this.view(from, to));
      from = to < end ? this.runStart(to) : to;
    }
    return cut;
  }
}
