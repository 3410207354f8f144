import type { PathId } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";

/** What a scheduler may know of a path. */
export interface PathView {
  readonly id: PathId;
  /** Smoothed round-trip time in milliseconds; undefined before the first sample. */
  readonly smoothedRttMs: number | undefined;
  readonly minRttMs: number | undefined;
  /** Estimated delivery rate in bytes per millisecond; 0 if unknown. */
  readonly deliveryRate: number;
  readonly inFlightBytes: number;
  readonly inFlightLimitBytes: number;
  /** What a packet on this path holds if there is enough to send and room for it. */
  readonly usualPacketBytes: number;
  /** Silent for a probe timeout; used only if nothing else is left. */
  readonly isSuspect: boolean;
  /** Preference given when the path was added, 0 to 255, higher first. */
  readonly priority: number;
}

/** Chooses the path of each packet. One instance per peer; it may keep state. */
export interface Scheduler {
  /** Whether a path is to carry copies of what is under way elsewhere before `pick` is given it, so that its rate is known. Default: no. */
  readonly triesFirst?: boolean;
  /**
   * The path on which the next packet of at most `packetBytes` should go, or undefined to send nothing now, although there is data
   * (every path is full, or waiting for a faster one pays). `pendingBytes` is what waits altogether, this packet included.
   * Only usable paths are given, none of them twice.
   */
  pick(paths: readonly PathView[], packetBytes: number, pendingBytes: number, now: Instant): PathView | undefined;
}

export type SchedulerFactory = () => Scheduler;
