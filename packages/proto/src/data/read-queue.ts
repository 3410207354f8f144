import type { Arrival } from "./arrival.ts";

/** Pieces shorter than this are joined while the reader is behind, whatever buffer they lie in. */
const SMALL_BYTES = 1024;
/** Pieces of this size and more are never copied to save memory. */
const LARGE_BYTES = 16 * 1024;
/** A view may keep a buffer alive that is this many times its size. */
const MAX_BACKING_RATIO = 4;

/**
 * Bytes in order that wait for the reader. Small pieces are joined in blocks of our own, so that memory follows the number of bytes
 * and not of pieces. What little keeps a large buffer alive is copied too, but not at once: the next piece may lie in the same buffer and
 * be worth it, and what is last is likely to be read at once. So at most one buffer at each end of the queue is held for less than it takes.
 */
export class ReadQueue {
  #pieces: Uint8Array[] = [];
  /** Beside each piece: whose memory it is a view of, if that can be given back. */
  #arrivals: (Arrival | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  /** The block that small pieces were joined in last. It may grow while it is the last piece. */
  #block: Uint8Array | undefined;
  #blockUsed = 0;
  /** The last pieces, as they came, that are views of one buffer. */
  #runPieces = 0;
  #runBytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get pieceCount(): number {
    return this.#pieces.length - this.#head;
  }

  push(data: Uint8Array, arrival?: Arrival): void {
    this.#bytes += data.length;
    const last = this.#head < this.#pieces.length ? this.#pieces[this.#pieces.length - 1] : undefined;
    const isSmall = data.length < SMALL_BYTES && last !== undefined;
    if (last !== undefined && (isSmall || last.buffer !== data.buffer)) this.#settleRun(last.buffer.byteLength);
    if (isSmall) {
      this.#pushCopy(data);
      return;
    }
    this.#runPieces += 1;
    this.#runBytes += data.length;
    arrival?.hold();
    this.#add(data, arrival);
  }

  /** Takes the next piece out. It is the caller's for good. */
  shift(): Uint8Array | undefined {
    const piece = this.#pieces[this.#head];
    if (piece === undefined) return undefined;
    this.#arrivals[this.#head]?.leave();
    this.#took(piece.length);
    this.#dropFirst();
    return piece;
  }

  /** Copies as much as there is and fits; answers how many bytes. */
  copyInto(target: Uint8Array): number {
    let filled = 0;
    while (filled < target.length) {
      const piece = this.#pieces[this.#head];
      if (piece === undefined) break;
      const taken = Math.min(piece.length, target.length - filled);
      target.set(taken === piece.length ? piece : piece.subarray(0, taken), filled);
      filled += taken;
      this.#took(taken);
      if (taken === piece.length) {
        this.#arrivals[this.#head]?.release();
        this.#dropFirst();
      } else {
        this.#pieces[this.#head] = piece.subarray(taken);
        // It no longer begins where its block does, so that must not grow any more.
        if (piece.buffer === this.#block?.buffer) this.#block = undefined;
      }
    }
    return filled;
  }

  clear(): void {
    for (let at = this.#head; at < this.#pieces.length; at += 1) this.#arrivals[at]?.release();
    this.#reset();
  }

  #add(piece: Uint8Array, arrival: Arrival | undefined): void {
    this.#pieces.push(piece);
    this.#arrivals.push(arrival);
  }

  /** Bytes of the first piece are gone. */
  #took(bytes: number): void {
    this.#bytes -= bytes;
    if (this.pieceCount <= this.#runPieces) this.#runBytes -= bytes;
  }

  #dropFirst(): void {
    this.#head += 1;
    if (this.#head === this.#pieces.length) {
      this.#reset();
      return;
    }
    if (this.pieceCount < this.#runPieces) this.#runPieces -= 1;
    if (this.#head >= 256 && this.#head * 2 >= this.#pieces.length) {
      this.#pieces.splice(0, this.#head);
      this.#arrivals.splice(0, this.#head);
      this.#head = 0;
    } else {
      this.#pieces[this.#head - 1] = NOTHING;
      this.#arrivals[this.#head - 1] = undefined;
    }
  }

  #reset(): void {
    this.#pieces = [];
    this.#arrivals = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#block = undefined;
    this.#endRun();
  }

  /** No more of the last buffer is kept as it came: copies the pieces of it if they are too little for that. */
  #settleRun(backingBytes: number): void {
    if (this.#runPieces > 0 && isLittle(this.#runBytes, backingBytes)) {
      const pieces = this.#pieces.splice(this.#pieces.length - this.#runPieces);
      const arrivals = this.#arrivals.splice(this.#arrivals.length - this.#runPieces);
      for (const piece of pieces) this.#pushCopy(piece);
      for (const arrival of arrivals) arrival?.release();
    }
    this.#endRun();
  }

  #endRun(): void {
    this.#runPieces = 0;
    this.#runBytes = 0;
  }

  #pushCopy(data: Uint8Array): void {
    const block = this.#block;
    const used = this.#blockUsed;
    const isLast = block !== undefined && this.#pieces[this.#pieces.length - 1]?.buffer === block.buffer;
    if (block !== undefined && isLast && used + data.length <= block.length) {
      block.set(data, used);
      this.#blockUsed = used + data.length;
      this.#pieces[this.#pieces.length - 1] = block.subarray(0, this.#blockUsed);
      return;
    }
    const size = isLast ? Math.min(block.length * 2, LARGE_BYTES) : SMALL_BYTES;
    const next = new Uint8Array(Math.max(size, data.length));
    next.set(data);
    this.#block = next;
    this.#blockUsed = data.length;
    this.#add(next.subarray(0, data.length), undefined);
  }
}

const NOTHING = new Uint8Array(0);

/** Whether keeping this view would keep a much larger buffer alive. */
export function isWasteful(data: Uint8Array): boolean {
  return isLittle(data.length, data.buffer.byteLength);
}

function isLittle(bytes: number, backingBytes: number): boolean {
  return bytes < LARGE_BYTES && backingBytes > MAX_BACKING_RATIO * bytes;
}
