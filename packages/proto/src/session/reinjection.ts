import type { DurationMs, Instant } from "../base/time.ts";
import { highestRank, rankOf } from "../schedule/eligible-path.ts";
import { isCopyable, type PacketCopy } from "./packet-copy.ts";
import type { Peer } from "./peer.ts";
import type { SessionPath } from "./session-event.ts";

/** What may go out twice in any case, in bytes: the tail of a short transfer. */
const FREE_BYTES = 256 * 1024;
/** A copy must come earlier than the first by at least this much: estimates are no better. */
const MIN_GAIN_MS: DurationMs = 10;
/** Of each path, at a time: an idle session looks often. */
const MAX_PACKETS_LOOKED_AT = 256;
const UNKNOWN_RTT_MS: DurationMs = 50;
/** A path without a measured rate is taken to be slower than the idle one by this factor. */
const UNMEASURED_DIVISOR = 8;

/**
 * When nothing is left that may be sent, because everything went out or credit is used up, a fast path must not idle while a slow one holds
 * what the reader waits for: its packets go out once more where they come earlier. Whichever copy is acknowledged first settles it. spec: PATH-13
 */
export class Reinjection {
  readonly #maxShare: number;

  /** `maxShare` of all bytes may go out twice, 0 for none. */
  constructor(maxShare: number) {
    this.#maxShare = maxShare;
  }

  /** A packet that comes earlier if it goes out once more, and on which path; undefined if there is nothing to gain. */
  find(peer: Peer, paths: readonly SessionPath[], now: Instant): PacketCopy | undefined {
    if (paths.length < 2 || this.#maxShare === 0) return undefined;
    const budgetBytes = FREE_BYTES + this.#maxShare * peer.sentDataBytes - peer.reinjectedBytes;
    if (budgetBytes <= 0) return undefined;
    const idle = earliest(paths);
    if (idle === undefined) return undefined;
    const rate = rateOf(idle);
    const delayMs = delayOf(idle);
    const gainMs = Math.max(MIN_GAIN_MS, delayMs);
    const given = idle.inFlightBytes;
    for (const slow of paths) {
      if (slow === idle || slow.isSuspect) continue;
      // Nothing came back yet: no reason to hope for much.
      const slowRate = slow.deliveryRate > 0 ? slow.deliveryRate : rate / UNMEASURED_DIVISOR;
      // No packet comes later than the last: most of the time this says all.
      const latestMs = Math.max(slow.inFlightBytes / slowRate, overdueMs(slow, slow.oldestSentAt ?? now, now)) + delayOf(slow);
      if (latestMs < given / rate + delayMs + gainMs) continue;
      let ahead = 0;
      let count = 0;
      for (const packet of slow.unacknowledged()) {
        count += 1;
        if (count > MAX_PACKETS_LOOKED_AT) break;
        ahead += packet.bytes;
        if (!isCopyable(packet)) continue;
        if (given + packet.bytes > idle.inFlightLimitBytes || packet.bytes > budgetBytes) break;
        const firstMs = Math.max(ahead / slowRate, overdueMs(slow, packet.sentAt, now)) + delayOf(slow);
        const copyMs = (given + packet.bytes) / rate + delayMs;
        if (firstMs >= copyMs + gainMs) return { packet, path: idle, maxBytes: Number.MAX_SAFE_INTEGER, isTrial: false };
      }
    }
    return undefined;
  }
}

/** What is late has no time at which it comes: it is taken to need as long again. */
function overdueMs(path: SessionPath, sentAt: Instant, now: Instant): DurationMs {
  return now - sentAt - (path.smoothedRttMs ?? UNKNOWN_RTT_MS);
}

/** The path on which a byte would arrive first, of those that a scheduler would take, if it has room. */
function earliest(paths: readonly SessionPath[]): SessionPath | undefined {
  let best: SessionPath | undefined;
  let bestMs = Number.POSITIVE_INFINITY;
  const rank = highestRank(paths);
  for (const path of paths) {
    if (path.isSuspect || path.roomBytes <= 0 || path.deliveryRate === 0 || rankOf(path) !== rank) continue;
    const arrivalMs = path.inFlightBytes / rateOf(path) + delayOf(path);
    if (arrivalMs >= bestMs) continue;
    best = path;
    bestMs = arrivalMs;
  }
  return best;
}

function delayOf(path: SessionPath): DurationMs {
  return (path.minRttMs ?? path.smoothedRttMs ?? UNKNOWN_RTT_MS) / 2;
}

/** Bytes per millisecond; what a full window would give while nothing is measured. */
function rateOf(path: SessionPath): number {
  return path.deliveryRate > 0 ? path.deliveryRate : Math.max(path.inFlightLimitBytes, 1) / (path.smoothedRttMs ?? UNKNOWN_RTT_MS);
}
