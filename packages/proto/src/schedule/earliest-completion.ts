import type { PathId } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";
import { hasRoom, highestRank, neededRoom, rankOf } from "./eligible-path.ts";
import type { PathView, Scheduler } from "./scheduler.ts";

/** Round-trip time that a path without a sample is taken to have. */
const UNKNOWN_RTT_MS = 50;

/**
 * Sends each packet where it arrives first, and waits for a full fast path when that pays (after ECF, Lim et al., CoNEXT 2017).
 *
 * A path is seen as a pipe: a packet given to it arrives when what is queued before it has drained, plus half a round trip. The best path
 * is the one with the earliest arrival, full or not. If it is full, another one with room is used only if the packet arrives there before
 * the remaining paths together would have brought everything that waits: so all paths work while there is much to send, and at the
 * end nothing is left behind on a slow one.
 */
export class EarliestCompletion implements Scheduler {
  readonly triesFirst = true;
  /** When the first byte of a new packet could arrive on each path, counted from now; one per path of the call. */
  readonly #startMs: number[] = [];
  readonly #rates: number[] = [];
  /** When each path will have put on the wire what was given to it; the measured numbers bound it. */
  readonly #busyUntil = new Map<PathId, Instant>();

  pick(paths: readonly PathView[], packetBytes: number, pendingBytes: number, now: Instant): PathView | undefined {
    const rank = highestRank(paths);
    const pending = Math.max(pendingBytes, packetBytes);
    let best = -1;
    let bestMs = Number.POSITIVE_INFINITY;
    let roomy = -1;
    let roomyMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < paths.length; i += 1) {
      const path = paths[i] as PathView;
      if (rankOf(path) !== rank) continue;
      const needed = neededRoom(path, packetBytes, pending);
      const rate = rateOf(path);
      this.#rates[i] = rate;
      const start = this.#start(path, rate, needed, now);
      this.#startMs[i] = start;
      const arrival = start + Math.min(packetBytes, Math.max(needed, 1)) / rate;
      if (arrival < bestMs) {
        best = i;
        bestMs = arrival;
      }
      if (arrival < roomyMs && hasRoom(path, packetBytes, pending)) {
        roomy = i;
        roomyMs = arrival;
      }
    }
    const picked = paths[roomy];
    if (picked === undefined) return undefined;
    if (roomy !== best && roomyMs > this.#drainMs(paths, rank, roomy, pending)) return undefined;
    const delayMs = picked.minRttMs ?? picked.smoothedRttMs ?? UNKNOWN_RTT_MS;
    this.#busyUntil.set(picked.id, now + roomyMs - delayMs / 2);
    return picked;
  }

  /**
   * When the first byte of a new packet could arrive, counted from now: queued bytes first, or the wait for room, then half a round trip.
   * What is in flight beyond the path's own length is queued for certain; at most all of it is; in between counts what was given lately.
   */
  #start(path: PathView, rate: number, neededBytes: number, now: Instant): number {
    const rttMs = path.minRttMs ?? path.smoothedRttMs ?? UNKNOWN_RTT_MS;
    const inFlightMs = path.inFlightBytes / rate;
    const busyMs = Math.min((this.#busyUntil.get(path.id) ?? now) - now, inFlightMs);
    const roomMs = (path.inFlightBytes + neededBytes - path.inFlightLimitBytes) / rate;
    return Math.max(busyMs, inFlightMs - rttMs, roomMs, 0) + rttMs / 2;
  }

  /** When the other paths together would have brought `pending` bytes: each delivers at its rate from its start on. */
  #drainMs(paths: readonly PathView[], rank: number, without: number, pending: number): number {
    let rate = 0;
    let weightedStart = 0;
    let drain = Number.POSITIVE_INFINITY;
    let after = Number.NEGATIVE_INFINITY;
    let afterIndex = -1;
    // Paths join in the order of their starts, until the next would start after everything has arrived.
    for (;;) {
      let next = -1;
      for (let i = 0; i < paths.length; i += 1) {
        if (i === without || rankOf(paths[i] as PathView) !== rank) continue;
        const start = this.#startMs[i] as number;
        if (start < after || (start === after && i <= afterIndex)) continue;
        if (next < 0 || start < (this.#startMs[next] as number)) next = i;
      }
      if (next < 0 || (this.#startMs[next] as number) >= drain) return drain;
      after = this.#startMs[next] as number;
      afterIndex = next;
      rate += this.#rates[next] as number;
      weightedStart += (this.#rates[next] as number) * after;
      drain = (pending + weightedStart) / rate;
    }
  }
}

/** Bytes per millisecond; what a full first window would give while nothing is measured. */
function rateOf(path: PathView): number {
  return path.deliveryRate > 0 ? path.deliveryRate : Math.max(path.inFlightLimitBytes, 1) / (path.smoothedRttMs ?? UNKNOWN_RTT_MS);
}
