import { ErrorCode, failure } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";
import type { MemberId, StreamId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";

/** What the home says about a part of one of its streams that several servers can deliver. spec: CONTENT-1 */
export interface ContentOffer {
  readonly streamId: StreamId;
  /** Numbers the offers of one stream, chosen by the home. */
  readonly offerId: number;
  readonly home: MemberId;
  /** Where in the stream the part begins. */
  readonly streamOffset: number;
  readonly contentId: string;
  readonly version: string;
  /** Length of the whole content, in bytes. */
  readonly contentLength: number;
  /** Where in the content the part begins; a multiple of `blockBytes`. */
  readonly contentOffset: number;
  /** Length of the part, in bytes; at least 1. */
  readonly length: number;
  /** Bytes of one block; the last block of the part may be shorter. */
  readonly blockBytes: number;
  /** Whether the stream ends with the part. */
  readonly end: boolean;
}

/** Contents of one home under way beyond the first of each stream, at most. spec: CONTENT-22 */
export const MAX_FURTHER_CONTENTS = 256;
export const MIN_BLOCK_BYTES = 16 * 1024;
export const MAX_BLOCK_BYTES = 4 * 1024 * 1024;

/** Blocks of one offer, at most: bounds the memory that hashes can take (32 MiB). */
export const MAX_BLOCKS = 1 << 20;

/** Content ids and versions, at most, in UTF-16 units. */
const MAX_NAME_LENGTH = 1024;

/** The window holds at least this many blocks, so that one block can be fetched twice while others are under way. */
export const MIN_WINDOW_BLOCKS = 4;

/** Answers why an offer cannot be followed, or undefined. spec: CONTENT-6, CONTENT-7 */
export function validateOffer(offer: ContentOffer, limits: Pick<Limits, "maxContentWindowBytes">): ProtocolFailure | undefined {
  const { streamOffset, contentLength, contentOffset, length, blockBytes } = offer;
  for (const value of [streamOffset, contentLength, contentOffset, length]) {
    if (!Number.isSafeInteger(value) || value < 0) return violation("a content offer has a length or offset that is not a number");
  }
  if (offer.contentId.length === 0) return violation("a content offer has no content id");
  if (offer.contentId.length > MAX_NAME_LENGTH || offer.version.length > MAX_NAME_LENGTH) {
    return failure(ErrorCode.TOO_LARGE, "the id or version of a content offer is too long");
  }
  if (!isBlockSize(blockBytes)) return violation("the block size of a content offer is no power of two of 16 KiB to 4 MiB");
  if (length === 0) return violation("a content offer is empty");
  if (contentOffset % blockBytes !== 0) return violation("a content offer does not begin at a block");
  if (contentOffset + length > contentLength) return violation("a content offer is longer than its content");
  if (!Number.isSafeInteger(streamOffset + length)) return violation("a content offer ends beyond the largest stream offset");
  if (blockCountOf(offer) > MAX_BLOCKS) return failure(ErrorCode.TOO_LARGE, "a content offer has too many blocks");
  if (blockBytes * MIN_WINDOW_BLOCKS > limits.maxContentWindowBytes) {
    return failure(ErrorCode.TOO_LARGE, "the blocks of a content offer are too large for the window");
  }
  return undefined;
}

/** Number of blocks of the offered part. */
export function blockCountOf(offer: ContentOffer): number {
  return Math.ceil(offer.length / offer.blockBytes);
}

/** Bytes of block `block`: `blockBytes`, or less for the last. */
export function blockLengthOf(offer: ContentOffer, block: number): number {
  return Math.min(offer.blockBytes, offer.length - block * offer.blockBytes);
}

function isBlockSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= MIN_BLOCK_BYTES && value <= MAX_BLOCK_BYTES && (value & (value - 1)) === 0;
}

function violation(reason: string): ProtocolFailure {
  return failure(ErrorCode.PROTOCOL_VIOLATION, reason);
}
