import type { Instant } from "../base/time.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";

/**
 * What a sent packet remembers of one of its frames: what to do when the packet is acknowledged, and when its path is lost.
 * Implementations are small classes in the files that own the fact, so that sending a frame costs one object and no closure.
 */
export interface SentFrame {
  /**
   * Puts the same bytes of a stream or content into another packet, or the first of them where they and their header would take more than `maxBytes` (64
   * or more). Answers what went in; undefined if that is of no use any more. Only these may go out twice for speed; everything else goes out again only when its path
   * is in doubt.
   */
  copyInto?(encoder: PacketEncoder, maxBytes: number): SentFrame | undefined;
  acknowledged(now: Instant): void;
  /** May be called more than once, and `acknowledged` may follow: the packet was late, not lost. */
  lost(now: Instant): void;
}
