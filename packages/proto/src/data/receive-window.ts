import type { DurationMs, Instant } from "../base/time.ts";

/** Round-trip time that is taken while none was measured. */
const ASSUMED_RTT_MS = 20;
/** On a fast network the delays of both hosts' event loops count, not the wire: a shorter round trip than this is taken as this. */
const MIN_RTT_MS = 5;
/** A window that may still grow is given back in quarters: how fast they are consumed tells whether it should, and a sender that doubles what it sends is not held up. */
const GROWING_STEPS = 4;
/** One that may not has to do: what waits for its announcement is missing at the sender. */
const GROWN_STEPS = 8;

/**
 * The receive window of a stream (absolute offsets) or of a connection (a sum over streams): how far the peer may send.
 * Starts small and doubles while the application keeps up with the network. spec: CREDIT-2, CREDIT-3
 */
export class ReceiveWindow {
  #windowBytes: number;
  #maxBytes: number;
  #limit: number;
  #consumedBytes = 0;
  #consumedAt: Instant = 0;
  #rttMs = ASSUMED_RTT_MS;
  /** Since when the present step is being consumed; undefined before the first consumption. */
  #stepStartedAt: Instant | undefined;
  /** How long the three steps before it took, the last one first. */
  #firstBeforeMs: DurationMs = 0;
  #secondBeforeMs: DurationMs = 0;
  #thirdBeforeMs: DurationMs = 0;
  readonly #mayGrow: ((bytes: number) => boolean) | undefined;

  /** Both in bytes; a maximum below the initial size wins. `mayGrow` is asked for each further byte of it: it may be that there is no memory. */
  constructor(initialBytes: number, maxBytes: number, mayGrow?: (bytes: number) => boolean) {
    this.#mayGrow = mayGrow;
    this.#windowBytes = Math.min(initialBytes, maxBytes);
    this.#maxBytes = maxBytes;
    this.#limit = this.#windowBytes;
  }

  /** The absolute offset or sum up to which the peer may send; never falls. */
  get limit(): number {
    return this.#limit;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** Bytes consumed altogether. */
  get consumedBytes(): number {
    return this.#consumedBytes;
  }

  /** The application took `bytes`, or they were dropped in its place. `rttMs` is the round-trip time to the sender, if known. */
  consumed(bytes: number, now: Instant, rttMs: DurationMs | undefined): void {
    this.#stepStartedAt ??= now;
    this.#consumedBytes += bytes;
    this.#consumedAt = now;
    this.#rttMs = rttMs ?? ASSUMED_RTT_MS;
  }

  /** The new limit when it is worth announcing: a step was consumed since the last. Otherwise undefined. */
  pollUpdate(): number | undefined {
    const stepBytes = this.#windowBytes / (this.#windowBytes < this.#maxBytes ? GROWING_STEPS : GROWN_STEPS);
    if (this.#consumedBytes + this.#windowBytes - this.#limit < stepBytes || this.#stepStartedAt === undefined) return undefined;
    const stepMs = this.#consumedAt - this.#stepStartedAt;
    const quickMs = 2 * Math.max(this.#rttMs, MIN_RTT_MS);
    const halfMs = stepMs + this.#firstBeforeMs;
    // A slow reader that empties the whole window at once is quick from its second quarter on.
    if (halfMs <= quickMs && halfMs + this.#secondBeforeMs + this.#thirdBeforeMs <= 2 * quickMs) {
      const more = Math.min(this.#windowBytes * 2, this.#maxBytes) - this.#windowBytes;
      if (more > 0 && this.#mayGrow?.(more) !== false) this.#windowBytes += more;
    }
    this.#thirdBeforeMs = this.#secondBeforeMs;
    this.#secondBeforeMs = this.#firstBeforeMs;
    this.#firstBeforeMs = stepMs;
    this.#stepStartedAt = this.#consumedAt;
    const limit = this.#consumedBytes + this.#windowBytes;
    if (limit <= this.#limit) return undefined;
    this.#limit = limit;
    return limit;
  }

  /** Changes the maximum. A window above it shrinks by giving out less, never by taking back. */
  setMaxBytes(bytes: number): void {
    this.#maxBytes = bytes;
    this.#windowBytes = Math.min(this.#windowBytes, bytes);
  }
}
