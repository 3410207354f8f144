import { RangeSet } from "../base/range-set.ts";
import type { BlockAttempt } from "./block-attempt.ts";
import { blockCountOf, blockLengthOf } from "./content-offer.ts";
import type { ContentOffer } from "./content-offer.ts";

/** Which blocks of an offer are wanted, under way and verified. Memory grows with the blocks under way, not with the content. */
export class BlockTable {
  readonly offer: ContentOffer;
  readonly blockCount: number;
  /** Blocks that nobody was asked for, or nobody who is counted on. */
  readonly pool = new RangeSet();
  readonly #verified = new RangeSet();
  #verifiedCount = 0;
  #poolCount: number;
  readonly #attempts = new Map<number, BlockAttempt[]>();

  constructor(offer: ContentOffer) {
    this.offer = offer;
    this.blockCount = blockCountOf(offer);
    this.pool.add(0, this.blockCount);
    this.#poolCount = this.blockCount;
  }

  get isAllVerified(): boolean {
    return this.#verifiedCount === this.blockCount;
  }

  get poolCount(): number {
    return this.#poolCount;
  }

  /** Bytes of the pool; the last block counts as a whole one. */
  get poolBytes(): number {
    return this.#poolCount * this.offer.blockBytes;
  }

  lengthOf(block: number): number {
    return blockLengthOf(this.offer, block);
  }

  isVerified(block: number): boolean {
    return this.#verified.has(block);
  }

  /** Lowest block that is not verified. */
  get head(): number {
    return this.#verified.rangeCount > 0 && this.#verified.startAt(0) === 0 ? this.#verified.endAt(0) : 0;
  }

  /** Attempts of a block that are not dropped. */
  attemptsOf(block: number): readonly BlockAttempt[] {
    return this.#attempts.get(block) ?? [];
  }

  addAttempt(attempt: BlockAttempt): void {
    const attempts = this.#attempts.get(attempt.block);
    if (attempts === undefined) this.#attempts.set(attempt.block, [attempt]);
    else attempts.push(attempt);
    this.refresh(attempt.block);
  }

  removeAttempt(attempt: BlockAttempt): void {
    const attempts = this.#attempts.get(attempt.block);
    if (attempts === undefined) return;
    const index = attempts.indexOf(attempt);
    if (index >= 0) attempts.splice(index, 1);
    if (attempts.length === 0) this.#attempts.delete(attempt.block);
    this.refresh(attempt.block);
  }

  /** Puts a block into the pool or takes it out, as its attempts demand; to be called when the state of one changed. */
  refresh(block: number): void {
    const isWanted = !this.isVerified(block) && !this.attemptsOf(block).some((attempt) => attempt.state !== "lingering");
    if (isWanted) this.#poolCount += this.pool.add(block, block + 1);
    else this.#poolCount -= this.pool.delete(block, block + 1);
  }

  markVerified(block: number): void {
    this.#verifiedCount += this.#verified.add(block, block + 1);
    this.refresh(block);
  }

  clear(): void {
    this.#attempts.clear();
  }

  /** Blocks of the pool below `limit`. */
  poolCountBelow(limit: number): number {
    let count = 0;
    for (let i = 0; i < this.pool.rangeCount && this.pool.startAt(i) < limit; i += 1)
      count += Math.min(limit, this.pool.endAt(i)) - this.pool.startAt(i);
    return count;
  }

  /** The run of at most `count` adjoining blocks of the pool, below `limit`, that comes after `skip` blocks of the pool. */
  runAfter(skip: number, count: number, limit: number): { readonly first: number; readonly end: number } | undefined {
    let left = skip;
    for (let i = 0; i < this.pool.rangeCount && this.pool.startAt(i) < limit; i += 1) {
      const start = this.pool.startAt(i);
      const end = Math.min(limit, this.pool.endAt(i));
      if (end - start > left) return { first: start + left, end: Math.min(end, start + left + count) };
      left -= end - start;
    }
    return undefined;
  }
}
