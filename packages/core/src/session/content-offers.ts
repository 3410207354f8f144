import { type ContentServer, ErrorCode, errorName, type StreamEntry } from "@kwik/proto";
import type { ContentOptions } from "../api/contract.ts";
import type { ContentSource } from "../api/content.ts";
import { KwikError, StreamError } from "../api/errors.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import type { SendHalf } from "./send-half.ts";
import { stopErrorOf } from "./stop-error.ts";

/** Blocks of an offered content: each is asked for, verified and delivered as a whole. */
export const BLOCK_BYTES = 256 * 1024;
/** What a client takes in one offer. spec: CONTENT-7 */
const MAX_BLOCKS = 1n << 20n;
const MAX_NAME_LENGTH = 1024;
/** Hashes that one control message carries, at most. */
const HASHES_PER_MESSAGE = 2048;
/** The first message is short, and so are all while the hashes are still being made, from one on: the client wants to verify soon. */
const FEW_HASHES = 32;

interface Waiting {
  resolve(): void;
  reject(reason: unknown): void;
  readonly entry: StreamEntry;
  readonly send: SendHalf;
  readonly source: ContentSource;
  /** Hashes wait for the client's credit. */
  wake?: () => void;
}

/** A server's contents on offer: tells the client of each, makes its hashes, and waits until the client has it all. */
export class ContentOffers {
  readonly #driver: SessionDriver;
  readonly #server: ContentServer;
  readonly #waiting = new Map<number, Waiting>();

  constructor(driver: SessionDriver, server: ContentServer) {
    this.#driver = driver;
    this.#server = server;
  }

  async offer(entry: StreamEntry, send: SendHalf, source: ContentSource, options: ContentOptions): Promise<void> {
    const contentOffset = options.offset ?? 0n;
    const length = options.length ?? source.length - contentOffset;
    if (contentOffset < 0n || length < 0n || contentOffset + length > source.length) {
      throw new KwikError(
        "INVALID_ARGUMENT",
        `the range ${contentOffset}+${length} is outside "${source.id}", which has ${source.length} bytes`,
      );
    }
    if (contentOffset % BigInt(BLOCK_BYTES) !== 0n) {
      throw new KwikError("INVALID_ARGUMENT", `a content can be sent from a multiple of ${BLOCK_BYTES} bytes, not from ${contentOffset}`);
    }
    if (source.id.length === 0 || source.id.length > MAX_NAME_LENGTH || source.version.length > MAX_NAME_LENGTH) {
      throw new KwikError("INVALID_ARGUMENT", `a content has an id of 1 to ${MAX_NAME_LENGTH} characters, and a version of at most that`);
    }
    if (length > MAX_BLOCKS * BigInt(BLOCK_BYTES) || source.length > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new KwikError(
        "INVALID_ARGUMENT",
        `at most ${MAX_BLOCKS * BigInt(BLOCK_BYTES)} bytes can be sent at once; send "${source.id}" in parts`,
      );
    }
    if (length === 0n) {
      if (options.end === true) await send.close();
      return;
    }
    const streamOffset = send.takePosition(Number(length));
    const offerId = this.#server.offer({
      streamId: BigInt(entry.id),
      streamOffset: BigInt(streamOffset),
      contentId: source.id,
      version: source.version,
      contentLength: source.length,
      contentOffset,
      length,
      blockBytes: BLOCK_BYTES,
      end: options.end ?? false,
    });
    if (options.end === true) void send.close().catch(() => undefined);
    const done = new Promise<void>((resolve, reject) => this.#waiting.set(offerId, { resolve, reject, entry, send, source }));
    this.#driver.schedule();
    const mayTell = this.#pace(offerId, streamOffset, options);
    this.#tellHashes(offerId, source, contentOffset, length, mayTell).catch((error: unknown) => this.#fail(offerId, error));
    await done;
  }

  /** A source that is on offer in this session, by id; it need not be in the content store. One that `isAsked` comes before other versions. */
  find(contentId: string, isAsked: (source: ContentSource) => boolean): ContentSource | undefined {
    let other: ContentSource | undefined;
    for (const { source } of this.#waiting.values()) {
      if (source.id !== contentId) continue;
      if (isAsked(source)) return source;
      other ??= source;
    }
    return other;
  }

  /** `stopCode` is that of a reader who stopped. */
  done(offerId: number, code: number, reason: string, stopCode: number | undefined): void {
    const waiting = this.#waiting.get(offerId);
    if (waiting === undefined) return;
    this.#waiting.delete(offerId);
    waiting.wake?.();
    if (code === 0) waiting.resolve();
    else if (stopCode !== undefined) waiting.reject(stopErrorOf(BigInt(waiting.entry.id), stopCode));
    else {
      const refusal = new StreamError(errorName(code), reason, BigInt(waiting.entry.id), code, { remote: true });
      // The stream has ended: why, comes with the stream, unless its end had arrived before.
      if (code === ErrorCode.STREAM_STATE) void waiting.send.failed().then((why) => waiting.reject(why ?? refusal));
      else waiting.reject(refusal);
    }
  }

  end(reason: KwikError): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const waiting of all) {
      waiting.wake?.();
      waiting.reject(reason);
    }
  }

  /** Follows the client's credit for the stream; what it answers waits until the hash of the block at this place of the part may be made. */
  #pace(
    offerId: number,
    streamOffset: number,
    { hashesAheadBytes, onProgress }: ContentOptions,
  ): (at: number) => Promise<void> | undefined {
    const waiting = this.#waiting.get(offerId);
    if (waiting === undefined || (hashesAheadBytes === undefined && onProgress === undefined)) return () => undefined;
    const { send } = waiting;
    const follow = async (): Promise<void> => {
      while (this.#waiting.has(offerId) && (await send.creditBeyond(send.creditOffset))) {
        onProgress?.();
        waiting.wake?.();
      }
      waiting.wake?.();
    };
    follow().catch((error: unknown) => this.#fail(offerId, error));
    const mustWait = (at: number): boolean =>
      streamOffset + at - (hashesAheadBytes ?? Infinity) > send.creditOffset && this.#waiting.has(offerId) && !send.isDone;
    const wait = async (at: number): Promise<void> => {
      while (mustWait(at)) await new Promise<void>((resolve) => (waiting.wake = resolve));
    };
    return (at) => (mustWait(at) ? wait(at) : undefined);
  }

  async #tellHashes(
    offerId: number,
    source: ContentSource,
    contentOffset: bigint,
    length: bigint,
    mayTell: (at: number) => Promise<void> | undefined,
  ): Promise<void> {
    const firstBlock = Number(contentOffset / BigInt(BLOCK_BYTES));
    const blocks = Math.ceil(Number(length) / BLOCK_BYTES);
    const end = contentOffset + length;
    // A content that is cut inside its last block has a hash of its own there.
    const isWhole = end === source.length || end % BigInt(BLOCK_BYTES) === 0n;
    const known = isWhole ? (await source.hashes?.(BLOCK_BYTES))?.slice(firstBlock, firstBlock + blocks) : undefined;
    const coming = isWhole && known === undefined ? source.hashesFrom?.(contentOffset, BLOCK_BYTES)[Symbol.asyncIterator]() : undefined;
    try {
      const all = new Uint8Array(blocks * 32);
      let told = 0;
      const tell = (toBlock: number, root: Uint8Array | undefined): void => {
        this.#server.sendHashes(offerId, told, all.slice(told * 32, toBlock * 32), root);
        this.#driver.schedule();
        told = toBlock;
      };
      for (let block = 0; block < blocks; block += 1) {
        const turn = coming === undefined ? undefined : mayTell(block * BLOCK_BYTES);
        if (turn !== undefined) {
          // The client takes nothing more without the hashes that wait for company.
          if (block > told) tell(block, undefined);
          await turn;
          if (!this.#waiting.has(offerId)) return;
        }
        const hash =
          known?.[block] ?? (await nextOf(coming)) ?? (await this.#hashBlock(source, contentOffset + BigInt(block * BLOCK_BYTES), end));
        all.set(hash, block * 32);
        const isLast = block === blocks - 1;
        if (!this.#waiting.has(offerId)) return;
        if (!isLast && block + 1 - told < messageHashes(known !== undefined, told)) continue;
        const root = isLast ? await this.#driver.runtime.sha256([all]) : undefined;
        tell(block + 1, root);
      }
    } finally {
      await coming?.return?.();
    }
  }

  async #hashBlock(source: ContentSource, offset: bigint, end: bigint): Promise<Uint8Array> {
    const rest = end - offset;
    const length = rest < BigInt(BLOCK_BYTES) ? Number(rest) : BLOCK_BYTES;
    return this.#driver.runtime.sha256([await source.read(offset, length)]);
  }

  #fail(offerId: number, error: unknown): void {
    const waiting = this.#waiting.get(offerId);
    if (waiting === undefined) return;
    this.#waiting.delete(offerId);
    waiting.wake?.();
    const reason = KwikError.from(error);
    waiting.reject(reason);
    waiting.send.giveUp(ErrorCode.INTERNAL_ERROR, reason);
  }
}

async function nextOf(hashes: AsyncIterator<Uint8Array> | undefined): Promise<Uint8Array | undefined> {
  const next = await hashes?.next();
  return next === undefined || next.done === true ? undefined : next.value;
}

/** How many hashes wait for each other, after those that were told. */
function messageHashes(areKnown: boolean, told: number): number {
  if (areKnown) return told === 0 ? FEW_HASHES : HASHES_PER_MESSAGE;
  return Math.min(FEW_HASHES, Math.max(1, told));
}
