import { createHash } from "node:crypto";
import { ErrorCode, type SessionEvent } from "@kwik/proto";
import { patternBytes } from "../payload.ts";

/** A content that servers of a simulation have. */
export interface SimContent {
  readonly id: string;
  readonly length: number;
  /** Pattern of its bytes. */
  readonly key: number;
}

/** What a server makes of the contents. */
export interface ShelfOptions {
  /** Ids of the contents that it has; all by default. */
  readonly has?: readonly string[];
  /** Gives wrong bytes. */
  readonly isLiar?: boolean;
  /** Has other versions than everybody else. */
  readonly isOutdated?: boolean;
  /** Time that a read takes. */
  readonly diskMs?: number;
}

type ReadWanted = Extract<SessionEvent, { type: "content-read" }>;

/** The answer to a read: bytes, or why there are none. */
export type ReadAnswer = { readonly data: Uint8Array } | { readonly code: ErrorCode; readonly reason: string; readonly version: string };

export const CONTENT_VERSION = "v1";
export const BLOCK_BYTES = 256 * 1024;

/** One server's contents. */
export class ContentShelf {
  readonly options: ShelfOptions;
  readonly #contents: ReadonlyMap<string, SimContent>;
  /** Bytes read so far. */
  readBytes = 0;

  constructor(contents: ReadonlyMap<string, SimContent>, options: ShelfOptions) {
    this.#contents = contents;
    this.options = options;
  }

  read(wanted: ReadWanted): ReadAnswer {
    const content = this.#contents.get(wanted.contentId);
    const { has, isLiar, isOutdated } = this.options;
    if (content === undefined || has?.includes(wanted.contentId) === false)
      return { code: ErrorCode.CONTENT_NOT_FOUND, reason: "not here", version: "" };
    if (isOutdated === true) return { code: ErrorCode.CONTENT_VERSION, reason: "another version is here", version: "v0" };
    const data = patternBytes(content.key, wanted.offset, wanted.length);
    if (isLiar === true) data[0] = (data[0] as number) ^ 1;
    this.readBytes += wanted.length;
    return { data };
  }
}

/** The hash of each block of a content, one after the other, and the root over them. */
export function hashesOf(content: SimContent): { readonly hashes: Uint8Array; readonly root: Uint8Array } {
  const blocks = Math.ceil(content.length / BLOCK_BYTES);
  const hashes = new Uint8Array(blocks * 32);
  for (let block = 0; block < blocks; block += 1) {
    const start = block * BLOCK_BYTES;
    hashes.set(sha256([patternBytes(content.key, start, Math.min(BLOCK_BYTES, content.length - start))]), block * 32);
  }
  return { hashes, root: sha256([hashes]) };
}

export function sha256(parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
