import { SLAB_BYTES, type SlabPool } from "./slab-pool.ts";

/** The first slab of a stream that writes little holds about this many of its writes. */
const FIRST_SLAB_WRITES = 64;
const MIN_SLAB_BYTES = 4 * 1024;

/** A full slab whose bytes are under way. */
interface UsedSlab {
  readonly slab: Uint8Array;
  /** Its first byte has this stream offset, or a higher one. */
  readonly startOffset: number;
  /** Stream offset after its last byte. */
  readonly endOffset: number;
}

/**
 * Copies what an application writes, once, into memory that does not change while the protocol needs it: until it is acknowledged. The
 * application has its own bytes back at once. Writes share slabs and come out as views of them.
 *
 * A stream that fills its slabs gets larger ones, up to those of the pool, which go back to it when their bytes were all acknowledged.
 */
export class WriteBuffer {
  #slab: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  #slabBytes = 0;
  #slabOffset = 0;
  #used: UsedSlab[] = [];
  readonly #pool: SlabPool;
  /** Stream offset after what was handed on last. */
  #offset = 0;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  /** Takes a copy. Hands on what fills a slab; `handOn` answers the stream's offset after the bytes it is given. */
  append(data: Uint8Array, handOn: (bytes: Uint8Array) => number): void {
    for (let at = 0; at < data.length; ) {
      let slab = this.#slab;
      if (slab === undefined || this.#end === slab.length) slab = this.#nextSlab(data.length - at, handOn);
      const taken = Math.min(data.length - at, slab.length - this.#end);
      slab.set(taken === data.length ? data : data.subarray(at, at + taken), this.#end);
      this.#end += taken;
      at += taken;
    }
  }

  /** Hands on what was gathered. */
  flush(handOn: (bytes: Uint8Array) => number): void {
    if (this.#slab === undefined || this.#start === this.#end) return;
    this.#offset = handOn(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  /**
   * Everything before `offset` was acknowledged. What lies at or beyond `resentEnd` was never sent twice: only of that no link can still
   * hold bytes back, so that its memory may be used again.
   */
  recycle(offset: number, resentEnd: number): void {
    let count = 0;
    for (let used = this.#used[count]; used !== undefined && used.endOffset <= offset; used = this.#used[count]) {
      if (used.startOffset >= resentEnd && used.slab.length === SLAB_BYTES) this.#pool.give(used.slab);
      count += 1;
    }
    if (count > 0) this.#used.splice(0, count);
  }

  /** Nothing was under way for a while: lets go of the memory, so that an idle stream holds a small slab at most. */
  release(): void {
    if (this.#start !== this.#end) return;
    this.#used = [];
    if (this.#slabBytes <= MIN_SLAB_BYTES) return;
    this.#slab = undefined;
    this.#slabBytes = 0;
  }

  /** Nothing will be written any more. What is under way stays as it is. */
  abandon(): void {
    this.#slab = undefined;
    this.#start = 0;
    this.#end = 0;
    this.#used = [];
  }

  get gatheredBytes(): number {
    return this.#end - this.#start;
  }

  #nextSlab(bytes: number, handOn: (bytes: Uint8Array) => number): Uint8Array {
    this.flush(handOn);
    if (this.#slab !== undefined) this.#used.push({ slab: this.#slab, startOffset: this.#slabOffset, endOffset: this.#offset });
    this.#slabBytes = nextSlabBytes(this.#slabBytes, bytes);
    const slab = this.#slabBytes === SLAB_BYTES ? this.#pool.take() : new Uint8Array(this.#slabBytes);
    this.#slab = slab;
    this.#slabOffset = this.#offset;
    this.#start = 0;
    this.#end = 0;
    return slab;
  }
}

function nextSlabBytes(previousBytes: number, writeBytes: number): number {
  if (previousBytes === 0) {
    const wanted = writeBytes > 1024 ? writeBytes : writeBytes * FIRST_SLAB_WRITES;
    return Math.min(SLAB_BYTES, Math.max(MIN_SLAB_BYTES, wanted));
  }
  return Math.min(SLAB_BYTES, Math.max(previousBytes * 2, writeBytes));
}
