/** Memory that a chunk needs beside its payload: an entry of a map and an array with its buffer. Empty chunks are not free. */
const CHUNK_OVERHEAD_BYTES = 256;

/** The chunks of one item that have come so far. A large total costs nothing before its chunks come. */
export class ItemAssembly {
  readonly total: number;
  readonly #chunks = new Map<number, Uint8Array>();
  readonly #connections = new Set<number>();
  #payloadBytes = 0;

  constructor(total: number) {
    this.total = total;
  }

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** Memory held, overhead included. */
  get heldBytes(): number {
    return this.#payloadBytes + this.#chunks.size * CHUNK_OVERHEAD_BYTES;
  }

  get isComplete(): boolean {
    return this.#chunks.size === this.total;
  }

  /** How many connections brought a chunk. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  static bytesFor(payload: Uint8Array): number {
    return payload.length + CHUNK_OVERHEAD_BYTES;
  }

  chunk(index: number): Uint8Array | undefined {
    return this.#chunks.get(index);
  }

  /** Adds a chunk that is not there yet. The bytes belong to the assembly from now on. */
  add(index: number, payload: Uint8Array, connectionId: number): void {
    this.#chunks.set(index, payload);
    this.#payloadBytes += payload.length;
    this.#connections.add(connectionId);
  }

  /** All chunks in their order. Joining them first would need the memory twice. */
  *inOrder(): Generator<Uint8Array, void, void> {
    for (let index = 0; index < this.total; index += 1) yield this.#chunks.get(index) as Uint8Array;
  }
}
