/** Small writes are gathered in slabs of this size. */
const SLAB_BYTES = 64 * 1024;
/** Writes of at least this size get a buffer of their own. */
const OWN_BUFFER_FROM_BYTES = 16 * 1024;

/**
 * Copies what an application writes, once, into memory that never changes again: the protocol keeps it until it is acknowledged,
 * and the application has its own bytes back when `write` resolves. Small writes share slabs and come out as one view.
 */
export class WriteBuffer {
  #slab: Uint8Array | undefined;
  #start = 0;
  #end = 0;

  /** Takes a copy; answers bytes that are ready to be handed on, those gathered before first. */
  append(data: Uint8Array, handOn: (bytes: Uint8Array) => void): void {
    if (data.length >= OWN_BUFFER_FROM_BYTES) {
      this.flush(handOn);
      handOn(data.slice());
      return;
    }
    if (this.#slab === undefined || this.#end + data.length > this.#slab.length) {
      this.flush(handOn);
      this.#slab = new Uint8Array(data.length > 1024 ? SLAB_BYTES : Math.max(4096, Math.min(SLAB_BYTES, data.length * 64)));
      this.#start = 0;
      this.#end = 0;
    }
    this.#slab.set(data, this.#end);
    this.#end += data.length;
  }

  /** Hands on what was gathered. */
  flush(handOn: (bytes: Uint8Array) => void): void {
    if (this.#slab === undefined || this.#start === this.#end) return;
    handOn(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  /** Nothing is under way: lets go of the slab, so that an idle stream holds none. */
  release(): void {
    if (this.#start === this.#end) this.#slab = undefined;
  }

  get gatheredBytes(): number {
    return this.#end - this.#start;
  }
}
