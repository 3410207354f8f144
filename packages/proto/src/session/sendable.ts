import type { PacketEncoder } from "../wire/packet-encoder.ts";
import type { SentFrame } from "./sent-frame.ts";

/** Something that can fill packets to a peer: a stream, a contribution, or the ranges of contents. */
export interface Sendable {
  readonly priority: number;
  /** Whether it has bytes that may be sent now, its own credit considered. */
  readonly isReady: boolean;
  /** Bytes that may be sent now. */
  readonly readyBytes: number;
  /**
   * Bytes that it expects to send before long, those that are ready included, as far as its credit goes: a writer who waits for room has more.
   * What of it is ready now would look like the end of everything to a scheduler.
   */
  readonly expectedBytes: number;
  /** Whether it waits in the peer's queue. */
  isQueued: boolean;
  /** Number that spreads it over carriers. */
  readonly carrierKey: number;
  /** Adds at most `maxBytes` to the packet; answers how many bytes it took, 0 if it has nothing or no credit. */
  fill(encoder: PacketEncoder, maxBytes: number, frames: SentFrame[]): number;
}
