import type { SocketStream } from "./attachment.ts";

/** Of a larger write so much is handed to the stream at once, in bytes: it copies what it is given. */
const PIECE_BYTES = 64 * 1024;
/** As much as a stream may have been handed and not taken yet, in bytes. What was written in one turn is on its way then, and `destroy` does not lose it. */
const MAX_UNTAKEN_BYTES = 128 * 1024;
const NOTHING = Buffer.alloc(0);

export interface OutgoingEvents {
  /** The stream took something. */
  onTaken(): void;
  /** The stream takes no more. */
  onFailed(cause: unknown): void;
}

/** Hands the writes of a socket to its stream, in order, one at a time, and holds them back while the stream is full. */
export class OutgoingBytes {
  /** Bytes that the stream was handed so far. */
  total = 0;
  /** Of the write that is not done, how much the stream was handed. */
  handedOn = 0;
  readonly #stream: SocketStream;
  readonly #events: OutgoingEvents;
  #chunk: Buffer = NOTHING;
  #done: (() => void) | undefined;
  #untaken = 0;

  constructor(stream: SocketStream, events: OutgoingEvents) {
    this.#stream = stream;
    this.#events = events;
  }

  /** Calls back, maybe at once, when the next write may come; never after a failure. */
  write(chunk: Buffer, done: () => void): void {
    this.#chunk = chunk;
    this.handedOn = 0;
    this.#done = done;
    this.#handOn();
  }

  /** Hands nothing more to the stream. */
  stop(): void {
    this.#done = undefined;
  }

  #handOn(): void {
    const chunk = this.#chunk;
    do {
      const piece = chunk.length <= PIECE_BYTES ? chunk : chunk.subarray(this.handedOn, this.handedOn + PIECE_BYTES);
      this.handedOn += piece.length;
      this.total += piece.length;
      this.#untaken += piece.length;
      this.#stream.write(piece).then(() => this.#taken(piece.length), this.#failed);
    } while (this.handedOn < chunk.length && this.#untaken < MAX_UNTAKEN_BYTES);
    if (this.handedOn === chunk.length && this.#untaken < MAX_UNTAKEN_BYTES) this.#finish();
  }

  #taken(bytes: number): void {
    this.#untaken -= bytes;
    this.#events.onTaken();
    if (this.#done === undefined || this.#untaken >= MAX_UNTAKEN_BYTES) return;
    if (this.handedOn === this.#chunk.length) this.#finish();
    else this.#handOn();
  }

  #finish(): void {
    const done = this.#done;
    this.#done = undefined;
    this.#chunk = NOTHING;
    this.handedOn = 0;
    done?.();
  }

  readonly #failed = (cause: unknown): void => {
    this.stop();
    this.#events.onFailed(cause);
  };
}
