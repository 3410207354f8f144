import type { ProtocolFailure } from "../base/error-codes.ts";
import type { BlockAttempt } from "./block-attempt.ts";
import { BlockHashes } from "./block-hashes.ts";
import type { FetchVerification } from "./fetch-command.ts";

/** Blocks that are whole and not compared with their hashes yet, and what is known of these. Nothing is computed here. */
export class VerificationQueue {
  readonly #blockCount: number;
  readonly #hashes: BlockHashes;
  /** Those whose hash is known. */
  #ready: BlockAttempt[] = [];
  /** Those that wait for it. */
  #early: BlockAttempt[] = [];

  constructor(blockCount: number) {
    this.#blockCount = blockCount;
    this.#hashes = new BlockHashes(blockCount);
  }

  get hasAllHashes(): boolean {
    return this.#hashes.knownBlocks === this.#blockCount;
  }

  get isRootMatched(): boolean {
    return this.#hashes.isRootMatched;
  }

  /** Whether blocks are here whose hash is not. */
  get isAwaitingHashes(): boolean {
    return this.#early.length > 0;
  }

  /** Takes hashes as `BlockHashes.accept`. */
  acceptHashes(firstBlock: number, hashes: Uint8Array, root: Uint8Array | undefined): ProtocolFailure | undefined {
    const bad = this.#hashes.accept(firstBlock, hashes, root);
    if (bad !== undefined) return bad;
    const waiting = this.#early;
    this.#early = [];
    for (const attempt of waiting) this.add(attempt);
    return undefined;
  }

  /** A block that is whole; one that was dropped since is left out. */
  add(attempt: BlockAttempt): void {
    if (attempt.state !== "complete") return;
    if (attempt.block < this.#hashes.knownBlocks) this.#ready.push(attempt);
    else this.#early.push(attempt);
  }

  /** What to compare next. */
  poll(): FetchVerification | undefined {
    const root = this.#hashes.pollRoot();
    if (root !== undefined) return { kind: "root", ...root };
    for (;;) {
      const attempt = this.#ready.shift();
      if (attempt === undefined) return undefined;
      const expected = this.#hashes.of(attempt.block);
      if (attempt.state !== "complete" || expected === undefined) continue;
      return { kind: "block", block: attempt.block, attempt: attempt.number, parts: attempt.pieces.parts(), expected };
    }
  }

  markRootMatched(): void {
    this.#hashes.markRootMatched();
  }

  /** The blocks that are here and were not given out to be compared. */
  waiting(): BlockAttempt[] {
    return [...this.#ready, ...this.#early];
  }
}
