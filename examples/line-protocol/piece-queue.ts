import type { SentFile } from "./sent-file.ts";

/** One chunk of one file. */
export interface Piece {
  readonly file: SentFile;
  readonly chunk: number;
}

/** What is still to be sent. Knows by two counters what was never sent, and by a list only what has to go again. */
export class PieceQueue {
  readonly #files: readonly SentFile[];
  #fileIndex = 0;
  #chunk = 0;
  readonly #again: Piece[] = [];

  constructor(files: readonly SentFile[]) {
    this.#files = files;
  }

  get isEmpty(): boolean {
    return this.#again.length === 0 && this.#fileIndex === this.#files.length;
  }

  /** The next chunk to send: one that was lost, else the first that was never sent. */
  next(): Piece | undefined {
    const lost = this.#again.pop();
    if (lost !== undefined) return lost;
    const file = this.#files[this.#fileIndex];
    if (file === undefined) return undefined;
    const piece = { file, chunk: this.#chunk };
    this.#chunk += 1;
    if (this.#chunk === file.total) {
      this.#fileIndex += 1;
      this.#chunk = 0;
    }
    return piece;
  }

  /** Puts back a chunk that may not have arrived. */
  putBack(piece: Piece): void {
    this.#again.push(piece);
  }
}
