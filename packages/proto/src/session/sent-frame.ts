import type { Instant } from "../base/time.ts";

/**
 * What a sent packet remembers of one of its frames: what to do when the packet is acknowledged, and when its path is lost.
 * Implementations are small classes in the files that own the fact, so that sending a frame costs one object and no closure.
 */
export interface SentFrame {
  /** Bytes of a stream or content, which may go out twice for speed; everything else only goes out again when its path is in doubt. */
  readonly isData?: boolean;
  acknowledged(now: Instant): void;
  /** May be called more than once, and `acknowledged` may follow: the packet was late, not lost. */
  lost(now: Instant): void;
}
