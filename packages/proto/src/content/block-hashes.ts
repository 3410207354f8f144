import { ErrorCode, failure } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

/** Room for the first hashes, in blocks. It grows with what really came, not with what was announced. */
const FIRST_ROOM_BLOCKS = 64;

/**
 * The home's hashes of the blocks of one offer, in order, and the root over them: 32 bytes each, however they are told. Nothing is computed here.
 * spec: CONTENT-8
 */
export class BlockHashes {
  readonly #blockCount: number;
  /** The known hashes and room for more. A hash that is there never changes: views of an outgrown array stay right. */
  #hashes = new Uint8Array(0);
  #known = 0;
  #root: Uint8Array | undefined;
  #rootState: "missing" | "unchecked" | "asked" | "matched" = "missing";

  constructor(blockCount: number) {
    this.#blockCount = blockCount;
  }

  /** Blocks whose hash is known: all below this number. */
  get knownBlocks(): number {
    return this.#known;
  }

  /** Whether all hashes and the root came and fit together. */
  get isRootMatched(): boolean {
    return this.#rootState === "matched";
  }

  /** Takes the hashes of the blocks from `firstBlock` on. They must continue what is known; the root comes with the last. */
  accept(firstBlock: number, hashes: Uint8Array, root: Uint8Array | undefined): ProtocolFailure | undefined {
    if (hashes.length % HASH_BYTES !== 0) return violation("content hashes are cut");
    if (firstBlock !== this.#known) return violation("content hashes are out of order");
    const count = hashes.length / HASH_BYTES;
    if (firstBlock + count > this.#blockCount) return violation("more content hashes than blocks");
    if (root === undefined && count === 0) return violation("a message of content hashes is empty");
    if (root !== undefined) {
      if (root.length !== HASH_BYTES) return violation("the root of content hashes has a wrong length");
      if (this.#root !== undefined || firstBlock + count !== this.#blockCount)
        return violation("the root of content hashes came too early or twice");
      this.#root = root;
      this.#rootState = "unchecked";
    }
    this.#reserve(firstBlock + count);
    this.#hashes.set(hashes, firstBlock * HASH_BYTES);
    this.#known += count;
    return undefined;
  }

  /** The hash of a block, a view; undefined while unknown. */
  of(block: number): Uint8Array | undefined {
    if (block >= this.#known) return undefined;
    return this.#hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
  }

  /** Once: what the root must be compared with. */
  pollRoot(): { readonly hashes: readonly Uint8Array[]; readonly expected: Uint8Array } | undefined {
    if (this.#rootState !== "unchecked") return undefined;
    this.#rootState = "asked";
    return { hashes: [this.#hashes.subarray(0, this.#known * HASH_BYTES)], expected: this.#root as Uint8Array };
  }

  markRootMatched(): void {
    if (this.#rootState === "asked") this.#rootState = "matched";
  }

  #reserve(blocks: number): void {
    if (blocks * HASH_BYTES <= this.#hashes.length) return;
    const room = Math.min(this.#blockCount, Math.max(blocks, 2 * this.#known, FIRST_ROOM_BLOCKS));
    const grown = new Uint8Array(room * HASH_BYTES);
    grown.set(this.#hashes);
    this.#hashes = grown;
  }
}

function violation(reason: string): ProtocolFailure {
  return failure(ErrorCode.PROTOCOL_VIOLATION, reason);
}
