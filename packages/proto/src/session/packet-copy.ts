import type { SentPacket } from "../path/sent-packets.ts";
import type { SentFrame } from "./sent-frame.ts";
import type { SessionPath } from "./session-event.ts";

/**
 * A packet in flight whose data is to go out on another path as well. Whichever arrives first settles it. The original is the one that is counted on:
 * nothing is lost with the copy.
 */
export interface PacketCopy {
  readonly packet: SentPacket<SentFrame>;
  readonly path: SessionPath;
  /** Of a larger packet only the first bytes go out. */
  readonly maxBytes: number;
  /** To learn of the path, not to be faster: it does not count on the budget. */
  readonly isTrial: boolean;
}

/** Whether a packet holds data that went out once only. */
export function isCopyable(packet: SentPacket<SentFrame>): boolean {
  return !packet.isCopied && !packet.isResent && packet.frames[0]?.copyInto !== undefined;
}
