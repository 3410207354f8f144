import { ErrorCode, failure } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

/**
 * The home's hashes of the blocks of one offer, in order, and the root over them. They are kept as they came; nothing is computed here.
 * spec: CONTENT-8
 */
export class BlockHashes {
  readonly #blockCount: number;
  readonly #chunks: Uint8Array[] = [];
  /** First block of each chunk, ascending. */
  readonly #firsts: number[] = [];
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
    if (count > 0) {
      this.#chunks.push(hashes);
      this.#firsts.push(firstBlock);
      this.#known += count;
    }
    return undefined;
  }

  /** The hash of a block, a view; undefined while unknown. */
  of(block: number): Uint8Array | undefined {
    if (block >= this.#known) return undefined;
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#firsts[middle] as number) <= block) low = middle;
      else high = middle - 1;
    }
    const at = (block - (this.#firsts[low] as number)) * HASH_BYTES;
    return (this.#chunks[low] as Uint8Array).subarray(at, at + HASH_BYTES);
  }

  /** Once: what the root must be compared with. */
  pollRoot(): { readonly hashes: readonly Uint8Array[]; readonly expected: Uint8Array } | undefined {
    if (this.#rootState !== "unchecked") return undefined;
    this.#rootState = "asked";
    return { hashes: this.#chunks, expected: this.#root as Uint8Array };
  }

  markRootMatched(): void {
    if (this.#rootState === "asked") this.#rootState = "matched";
  }
}

function violation(reason: string): ProtocolFailure {
  return failure(ErrorCode.PROTOCOL_VIOLATION, reason);
}
