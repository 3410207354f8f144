import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";

/** The streams of one kind that this side opens: sequence numbers within the limit that the peer gave. */
export class OutgoingStreams {
  #limit: number;
  #opened = 0;

  constructor(initialLimit: number) {
    this.#limit = initialLimit;
  }

  /** How many streams may be opened altogether, over all time. */
  get limit(): number {
    return this.#limit;
  }

  get opened(): number {
    return this.#opened;
  }

  /** The next sequence number, or undefined at the limit. */
  nextSequence(): number | undefined {
    if (this.#opened >= this.#limit) return undefined;
    const sequence = this.#opened;
    this.#opened += 1;
    return sequence;
  }

  /** MAX_STREAMS arrived; a lower limit is old news. Answers whether it grew. */
  raise(limit: number): boolean {
    if (limit <= this.#limit) return false;
    this.#limit = limit;
    return true;
  }
}

/** Streams that came into being with a frame; `undefined` if it had been opened before. */
export interface AcceptedStreams {
  readonly created: { readonly first: number; readonly last: number } | undefined;
}

const NOTHING_CREATED: AcceptedStreams = { created: undefined };

/** The streams of one kind that the peer opens. At most `maxConcurrent` are open at once. */
export class IncomingStreams {
  readonly #maxConcurrent: number;
  #limit: number;
  #opened = 0;
  #closed = 0;

  constructor(maxConcurrent: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#limit = maxConcurrent;
  }

  /** How many streams the peer may open altogether, as it was told. */
  get limit(): number {
    return this.#limit;
  }

  get opened(): number {
    return this.#opened;
  }

  /** A frame names the stream `sequence`; it and all lower ones that are new are created. Beyond the limit: STREAM_LIMIT. spec: STREAM-3 */
  accept(sequence: number): AcceptedStreams | ProtocolFailure {
    if (sequence < this.#opened) return NOTHING_CREATED;
    if (sequence >= this.#limit) return failure(ErrorCode.STREAM_LIMIT, `stream number ${sequence} with a limit of ${this.#limit}`);
    const first = this.#opened;
    this.#opened = sequence + 1;
    return { created: { first, last: sequence } };
  }

  /** One of them is over. */
  closed(): void {
    this.#closed += 1;
  }

  /** The new cumulative limit for MAX_STREAMS when an eighth of the streams came free, or the peer has none left. */
  pollUpdate(): number | undefined {
    const limit = this.#closed + this.#maxConcurrent;
    const gain = limit - this.#limit;
    if (gain <= 0 || (gain < this.#maxConcurrent / 8 && this.#opened < this.#limit)) return undefined;
    this.#limit = limit;
    return limit;
  }
}
