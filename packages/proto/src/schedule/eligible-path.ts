import type { PathView } from "./scheduler.ts";

/** With much waiting, a path is given packets of at least this size, if it may have so much in flight. */
const MIN_EFFICIENT_BYTES = 8 * 1024;
/** A packet never waits for more than this share of what a path may have in flight. */
const ROOM_SHARE = 4;
/** Above every priority. */
const UNSUSPECTED_RANK = 256;

/** Only paths of the highest rank come into question: not suspect if any is not, then of the highest priority among these. */
export function rankOf(path: PathView): number {
  return path.isSuspect ? path.priority : UNSUSPECTED_RANK + path.priority;
}

/** The highest rank among the paths; -1 if there is none. */
export function highestRank(paths: readonly PathView[]): number {
  let highest = -1;
  for (let i = 0; i < paths.length; i += 1) highest = Math.max(highest, rankOf(paths[i] as PathView));
  return highest;
}

/**
 * Free bytes that a path must have to be given the next packet: half of what its packets usually hold, and no more than a quarter of what may be in
 * flight. The packet is cut to the room by its sender; so a path is neither left half empty, above all while it is still being found out, nor given crumbs.
 */
export function neededRoom(path: PathView, packetBytes: number, pendingBytes: number): number {
  const useful = Math.min(Math.max(packetBytes, MIN_EFFICIENT_BYTES), Math.max(pendingBytes, packetBytes));
  return Math.min(useful, Math.max(path.usualPacketBytes / 2, MIN_EFFICIENT_BYTES), path.inFlightLimitBytes / ROOM_SHARE);
}

export function hasRoom(path: PathView, packetBytes: number, pendingBytes: number): boolean {
  const room = path.inFlightLimitBytes - path.inFlightBytes;
  return room > 0 && room >= neededRoom(path, packetBytes, pendingBytes);
}
