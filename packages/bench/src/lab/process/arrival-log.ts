/** When the bytes of one transfer arrived, in milliseconds since the epoch. */
export interface Arrivals {
  readonly bytes: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** The longest time between two arrivals in order, in milliseconds. */
  readonly longestGapMs: number;
  /** When the longest gap began. */
  readonly gapAt: number;
  /** When all but the last twentieth had arrived. */
  readonly lastTwentiethAt: number;
  /** Bytes that were not those that were sent. */
  readonly wrongBytes: number;
}

/** Milliseconds since the epoch, finer than `Date.now()` and the same in all processes of a machine. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Watches bytes arrive, and compares them with the pattern of the laboratory. */
export class ArrivalLog {
  readonly #expected: number;
  #bytes = 0;
  #firstAt = 0;
  #lastAt = 0;
  #longestGapMs = 0;
  #gapAt = 0;
  #lastTwentiethAt = 0;
  #wrongBytes = 0;

  /** `expected`: bytes of the whole transfer. */
  constructor(expected: number) {
    this.#expected = expected;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** To be called with each piece, in order. */
  push(data: Uint8Array, now = epochMs()): void {
    if (data.length === 0) return;
    if (this.#bytes === 0) this.#firstAt = now;
    else if (now - this.#lastAt > this.#longestGapMs) {
      this.#longestGapMs = now - this.#lastAt;
      this.#gapAt = this.#lastAt;
    }
    if (!isPattern(data, this.#bytes)) this.#wrongBytes += data.length;
    this.#bytes += data.length;
    this.#lastAt = now;
    if (this.#lastTwentiethAt === 0 && this.#bytes >= this.#expected * 0.95) this.#lastTwentiethAt = now;
  }

  summary(): Arrivals {
    return {
      bytes: this.#bytes,
      firstAt: this.#firstAt,
      lastAt: this.#lastAt,
      longestGapMs: this.#longestGapMs,
      gapAt: this.#gapAt,
      lastTwentiethAt: this.#lastTwentiethAt,
      wrongBytes: this.#wrongBytes,
    };
  }
}

/** A prime, so that no block, packet or window repeats with it: a byte at another place is another byte. */
const PERIOD_BYTES = 65_521;
const MOST_AT_ONCE_BYTES = 256 * 1024;
const PATTERN = Buffer.alloc(PERIOD_BYTES + MOST_AT_ONCE_BYTES);
for (let i = 0; i < PERIOD_BYTES; i += 1) PATTERN[i] = (i * 31 + (i >> 8) * 17 + (i >> 3)) & 0xff;
for (let i = PERIOD_BYTES; i < PATTERN.length; i += 1) PATTERN[i] = PATTERN[i - PERIOD_BYTES] as number;

/** The laboratory's bytes from `offset` on; at most 256 KiB. Not to be changed by who gets them. */
export function patternAt(offset: number, length: number): Uint8Array {
  const at = offset % PERIOD_BYTES;
  return PATTERN.subarray(at, at + length);
}

function isPattern(data: Uint8Array, offset: number): boolean {
  for (let at = 0; at < data.length; at += MOST_AT_ONCE_BYTES) {
    const piece = data.subarray(at, at + MOST_AT_ONCE_BYTES);
    if (Buffer.compare(piece, patternAt(offset + at, piece.length)) !== 0) return false;
  }
  return true;
}
