import { createHash } from "node:crypto";
import type { ContentSource } from "@kwik/core";
import { contentIdOf, type OriginContentName } from "./content-id.ts";
import { fetchRange, OtherVersionError } from "./fetch-range.ts";
import type { OriginPlace } from "./origin-place.ts";

/** What is read to tell a version, in bytes; a block of contents. */
export const TRIAL_BYTES = 256 * 1024;

/** A content, and the session that it is opened for. */
interface AskedContent extends OriginContentName {
  readonly session: string;
}

/** How ranges went, for whoever counts. */
export interface RangeTally {
  rangeBytes: number;
  failedRanges: number;
}

/**
 * One response of an origin as a content: its bytes are fetched in ranges. The version is the validator and the SHA-256 of the first block, so that most replicas that call
 * different bytes by the same validator are known as such before any byte is sent.
 */
export class OriginContent implements ContentSource {
  readonly id: string;
  readonly #place: OriginPlace;
  readonly #name: AskedContent;
  readonly #timeoutMs: number;
  readonly #tally: RangeTally;
  #etag: string;
  #version: string;
  #length: bigint;

  private constructor(place: OriginPlace, name: AskedContent, timeoutMs: number, tally: RangeTally, found: FoundVersion) {
    this.id = contentIdOf(name);
    this.#place = place;
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.#tally = tally;
    this.#etag = found.etag;
    this.#version = found.version;
    this.#length = BigInt(found.length);
  }

  /** Asks for the first block on trial. Rejects as `fetchRange`. */
  static async open(
    place: OriginPlace,
    name: AskedContent,
    timeouts: { readonly trialMs: number; readonly rangeMs: number },
    tally: RangeTally,
  ): Promise<OriginContent> {
    return new OriginContent(place, name, timeouts.rangeMs, tally, await findVersion(place, name, timeouts.trialMs));
  }

  get etag(): string {
    return this.#etag;
  }

  get version(): string {
    return this.#version;
  }

  get length(): bigint {
    return this.#length;
  }

  async read(offset: bigint, length: number): Promise<Uint8Array> {
    const { host, path, session } = this.#name;
    try {
      const { data, total } = await fetchRange(
        this.#place,
        { session, host, path, offset: Number(offset), length, etag: this.#etag },
        this.#timeoutMs,
      );
      if (total !== Number(this.#length)) throw new OtherVersionError("the origin has another length");
      this.#tally.rangeBytes += data.length;
      return data;
    } catch (error) {
      this.#tally.failedRanges += 1;
      // The next request is told by its version that this one is not here any more, and a later one finds what is.
      if (error instanceof OtherVersionError) this.#version = "changed";
      throw error;
    }
  }
}

interface FoundVersion {
  readonly etag: string;
  readonly version: string;
  readonly length: number;
}

async function findVersion(place: OriginPlace, { host, path, session }: AskedContent, timeoutMs: number): Promise<FoundVersion> {
  const { data, etag, total } = await fetchRange(place, { session, host, path, offset: 0, length: TRIAL_BYTES }, timeoutMs);
  return { etag, version: versionOf(etag, createHash("sha256").update(data).digest()), length: total };
}

/** The validator, and the SHA-256 of the first block. */
export function versionOf(etag: string, firstHash: Uint8Array): string {
  return `${etag} ${Buffer.from(firstHash).toString("hex")}`;
}
