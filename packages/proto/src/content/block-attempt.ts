import { BlockPieces } from "./block-pieces.ts";
import type { FetchSource } from "./fetch-source.ts";

/**
 * `live`: asked for and expected. `lingering`: asked of a source that is suspect now; not counted on, but taken if it comes.
 * `complete`: all bytes are here, the hash is not checked. `dropped`: what still comes is ignored.
 */
export type AttemptState = "live" | "lingering" | "complete" | "dropped";

/** Where blocks are asked for. */
export type BlockSource = FetchSource<BlockAttempt>;

/** One block asked of one source. All its bytes are that source's, so that a wrong hash has one author. */
export class BlockAttempt {
  readonly number: number;
  readonly block: number;
  readonly length: number;
  readonly source: BlockSource;
  readonly request: FetchRequest;
  /** Whether the block was being fetched from another source when it was asked for. */
  readonly isExtra: boolean;
  /** Whether the source sends it before what is not. */
  readonly isUrgent: boolean;
  readonly pieces: BlockPieces;
  state: AttemptState = "live";
  /** When the last byte is expected, in milliseconds from the last estimate; written by the planner. */
  etaMs = 0;
  /** Bytes that the source sends before this block; written by the planner. */
  bytesAhead = 0;

  constructor(number: number, block: number, length: number, request: FetchRequest, isExtra: boolean, isUrgent: boolean) {
    this.number = number;
    this.block = block;
    this.length = length;
    this.source = request.source;
    this.request = request;
    this.isExtra = isExtra;
    this.isUrgent = isUrgent;
    this.pieces = new BlockPieces(length);
  }

  get remainingBytes(): number {
    return this.length - this.pieces.receivedBytes;
  }
}

/** One request for a run of blocks. It ends when none of its attempts is open. */
export class FetchRequest {
  readonly id: number;
  readonly source: BlockSource;
  readonly firstBlock: number;
  readonly attempts: BlockAttempt[] = [];
  /** Attempts that are live or lingering. */
  openCount = 0;
  /** Whether blocks were dropped before they were complete: the source must be told to stop. */
  hasDropped = false;
  /** Whether the source itself ended the request. */
  isRefused = false;

  constructor(id: number, source: BlockSource, firstBlock: number) {
    this.id = id;
    this.source = source;
    this.firstBlock = firstBlock;
  }
}
