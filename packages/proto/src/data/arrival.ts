/** Smaller buffers are left to the collector: giving one back costs about as much. */
const MIN_BYTES = 4 * 1024;

/** Node 20 and older browsers have no way. */
const canGiveBack = typeof (ArrayBuffer.prototype as { transfer?: unknown }).transfer === "function";

/**
 * A buffer in which bytes arrived and that nobody else refers to. Its memory is given back as soon as the last view of it was copied to the
 * reader, instead of when the collector finds it: a host counts such memory, and collects the whole heap for it many times a second.
 */
export class Arrival {
  #buffer: ArrayBuffer | undefined;
  #holds = 1;

  private constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer;
  }

  /** Held once by the caller. Undefined where it is of no use: the view is small, or only a part of its buffer. */
  static of(data: Uint8Array): Arrival | undefined {
    const { buffer } = data;
    if (!canGiveBack || data.length < MIN_BYTES || data.length !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return undefined;
    return new Arrival(buffer);
  }

  /** One more view is kept. */
  hold(): void {
    this.#holds += 1;
  }

  /** A view is of no use any more. The last one gives the memory back, and makes all views of it empty. */
  release(): void {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    this.#buffer?.transfer(0);
    this.#buffer = undefined;
  }

  /** A view went to somebody who may keep it for ever: the memory is the collector's. */
  leave(): void {
    this.#buffer = undefined;
  }
}
