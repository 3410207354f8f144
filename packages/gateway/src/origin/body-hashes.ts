import { createHash, type Hash } from "node:crypto";

/** Blocks of contents. */
const BLOCK_BYTES = 256 * 1024;

/** Hashes that wait to be told, at most; then the body waits. */
const MAX_READY_HASHES = 8;

/** The hashes of a body's blocks, made while it passes; read once, from block 0 on. */
export class BodyHashes implements AsyncIterable<Uint8Array> {
  readonly #ready: Uint8Array[] = [];
  #hash: Hash = createHash("sha256");
  #blockBytes = 0;
  #isOver = false;
  #isWhole = false;
  readonly #onTold: () => void;
  #wake: (() => void) | undefined;
  #taken: PromiseWithResolvers<void> | undefined;

  /** `onTold` is called when whoever reads the hashes is done with all of them. */
  constructor(onTold: () => void) {
    this.#onTold = onTold;
  }

  /** Undefined, or resolves when somebody has taken hashes that were ready: more of them wait than should. */
  room(): Promise<void> | undefined {
    if (this.#isOver || this.#ready.length < MAX_READY_HASHES) return undefined;
    return (this.#taken ??= Promise.withResolvers<void>()).promise;
  }

  update(data: Uint8Array): void {
    if (this.#isOver) return;
    for (let at = 0; at < data.length; ) {
      const part = data.subarray(at, at + BLOCK_BYTES - this.#blockBytes);
      this.#hash.update(part);
      this.#blockBytes += part.length;
      at += part.length;
      if (this.#blockBytes === BLOCK_BYTES) this.#endBlock();
    }
  }

  /** The body is over, and whole: what there is of a block is its last one. */
  finish(): void {
    if (this.#isOver) return;
    if (this.#blockBytes > 0) this.#endBlock();
    this.#isWhole = true;
    this.stop();
  }

  /** Nothing more comes; a block that is not whole has no hash. */
  stop(): void {
    this.#isOver = true;
    this.#wake?.();
    this.#tellTaken();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const hash = this.#ready.shift();
        if (hash !== undefined) {
          this.#tellTaken();
          yield hash;
        } else if (this.#isOver) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      if (this.#isWhole && this.#ready.length === 0) this.#onTold();
    }
  }

  #tellTaken(): void {
    this.#taken?.resolve();
    this.#taken = undefined;
  }

  #endBlock(): void {
    this.#ready.push(this.#hash.digest());
    this.#hash = createHash("sha256");
    this.#blockBytes = 0;
    this.#wake?.();
  }
}
