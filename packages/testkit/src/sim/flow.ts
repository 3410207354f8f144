import { errorName } from "@kwik/proto";
import { firstDifference } from "../payload.ts";

/** How the reading of one direction of a stream came to its end. */
export type FlowOutcome =
  | { readonly kind: "finished" }
  | { readonly kind: "reset" | "failed" | "stopped"; readonly code: number }
  | { readonly kind: "session-ended" };

interface Region {
  readonly start: number;
  readonly end: number;
  readonly key: number;
  /** Offset in the pattern of the region's first byte. */
  readonly base: number;
}

/**
 * One direction of a stream, as the simulation knows it: what is to be written, and what has been read. Every byte that is read is
 * compared with the one that was written at its offset.
 */
export class Flow {
  readonly name: string;
  readonly key: number;
  /** Offset up to which the application wants to write. */
  wantedOffset = 0;
  isFinishWanted = false;
  /** Offset up to which something was handed to the protocol, or left to others. */
  writtenOffset = 0;
  /** The reset that the writer asked for. */
  resetCode: number | undefined;
  isPaused = false;
  readOffset = 0;
  outcome: FlowOutcome | undefined;
  /** When the first and the last byte were read. */
  firstReadAt: number | undefined;
  lastReadAt = 0;
  /** When reading came to its end. */
  endedAt: number | undefined;
  /** Longest time between two reads. */
  longestGapMs = 0;
  /** The writer knows that everything arrived. */
  isAcknowledged = false;
  /** Code with which the writer was told that its half cannot go on. */
  writeFailure: number | undefined;
  readonly #regions: Region[] = [];

  constructor(name: string, key: number) {
    this.name = name;
    this.key = key;
  }

  get isFinished(): boolean {
    return this.outcome?.kind === "finished";
  }

  /** From `start` on `length` bytes are those of another pattern. */
  addRegion(start: number, length: number, key: number, base: number): void {
    this.#regions.push({ start, end: start + length, key, base });
  }

  /** The reader got bytes. Throws if they are not those that were written there. */
  arrived(now: number, data: Uint8Array): void {
    if (this.outcome !== undefined) throw new Error(`${this.name}: ${data.length} bytes after its end (${this.outcome.kind})`);
    if (this.readOffset + data.length > this.writtenOffset) {
      throw new Error(`${this.name}: read to ${this.readOffset + data.length}, written to ${this.writtenOffset}`);
    }
    let at = 0;
    while (at < data.length) {
      const offset = this.readOffset + at;
      const region = this.#regions.find((one) => offset >= one.start && offset < one.end);
      const next = this.#regions.find((one) => one.start > offset);
      const end = Math.min(data.length, (region?.end ?? next?.start ?? Number.POSITIVE_INFINITY) - this.readOffset);
      const wrong =
        region === undefined
          ? firstDifference(this.key, offset, data.subarray(at, end))
          : firstDifference(region.key, region.base + offset - region.start, data.subarray(at, end));
      if (wrong !== undefined) throw new Error(`${this.name}: the byte at ${offset + wrong} is not the one that was written`);
      at = end;
    }
    if (this.firstReadAt === undefined) this.firstReadAt = now;
    else this.longestGapMs = Math.max(this.longestGapMs, now - this.lastReadAt);
    this.lastReadAt = now;
    this.readOffset += data.length;
  }

  ended(now: number, outcome: FlowOutcome): void {
    if (this.outcome !== undefined) throw new Error(`${this.name}: ended twice, ${this.outcome.kind} and ${outcome.kind}`);
    if (outcome.kind === "finished" && (!this.isFinishWanted || this.readOffset !== this.writtenOffset)) {
      throw new Error(`${this.name}: finished at ${this.readOffset}, written to ${this.writtenOffset}`);
    }
    this.outcome = outcome;
    this.endedAt = now;
  }

  describe(): string {
    const { outcome } = this;
    const end = outcome === undefined ? "open" : "code" in outcome ? `${outcome.kind} ${errorName(outcome.code)}` : outcome.kind;
    return `${this.name}: wanted ${this.wantedOffset}, written ${this.writtenOffset}, read ${this.readOffset}, ${end}`;
  }
}
