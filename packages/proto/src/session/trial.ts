import { highestRank, rankOf } from "../schedule/eligible-path.ts";
import { isCopyable, type PacketCopy } from "./packet-copy.ts";
import type { Peer } from "./peer.ts";
import type { SessionPath } from "./session-event.ts";

const KiB = 1024;
/** Copies under way at a time on a path that is being tried. */
const TRIAL_BYTES = 128 * KiB;
/** What was one packet on a fast path would make a slow one look silent until all of it is there; so long are packets where no rate is known. */
const MAX_COPY_BYTES = 16 * KiB + 64;
/** A path that got so many and is still unproven is used as it is. */
const MAX_TRIAL_BYTES = 2 * TRIAL_BYTES;
/** With less than this under way, a trial would say little, and double every message of a quiet session. */
const MIN_BACKLOG_BYTES = 8 * KiB;
/** Of each path, at a time. */
const MAX_PACKETS_LOOKED_AT = 256;

/**
 * Nobody knows the rate of a path that has carried nothing yet. What is given to it may take a hundred times as long as on the path beside it, and
 * the reader waits for it. So it first gets copies of what is under way elsewhere: nobody waits for them, whichever arrives first counts, and
 * their acknowledgements tell the rate. spec: PATH-14
 */
export class Trial {
  readonly #isAllowed: boolean;
  readonly #proven: SessionPath[] = [];

  /** Where nothing may go out twice, paths are used untried. */
  constructor(isAllowed: boolean) {
    this.#isAllowed = isAllowed;
  }

  /** The paths that data may be given to: the proven ones, or the nearest while there is none. The array may be reused by the next call. */
  proven(peer: Peer, paths: readonly SessionPath[]): readonly SessionPath[] {
    if (!this.#tries(peer, paths)) return paths;
    const rank = highestRank(paths);
    const proven = this.#proven;
    proven.length = 0;
    let nearest: SessionPath | undefined;
    for (const path of paths) {
      if (rankOf(path) !== rank) continue;
      if (nearest === undefined || rttOf(path) < rttOf(nearest)) nearest = path;
      if (isProven(path)) proven.push(path);
    }
    if (proven.length === 0 && nearest !== undefined) proven.push(nearest);
    return proven;
  }

  /** A packet under way elsewhere that an unproven path is to carry too. */
  find(peer: Peer, paths: readonly SessionPath[]): PacketCopy | undefined {
    if (!this.#tries(peer, paths)) return undefined;
    const rank = highestRank(paths);
    let tried: SessionPath | undefined;
    for (const path of paths) {
      // One that is kept for when the others are gone gets nothing before.
      if (rankOf(path) !== rank || isProven(path) || path.isSuspect || path.inFlightBytes >= TRIAL_BYTES || path.roomBytes === 0) continue;
      if (tried === undefined || path.inFlightBytes < tried.inFlightBytes) tried = path;
    }
    if (tried === undefined) return undefined;
    for (const other of paths) {
      if (other === tried || other.inFlightBytes < MIN_BACKLOG_BYTES) continue;
      let count = 0;
      for (const packet of other.unacknowledged()) {
        count += 1;
        if (count > MAX_PACKETS_LOOKED_AT) break;
        if (isCopyable(packet)) return { packet, path: tried, maxBytes: MAX_COPY_BYTES, isTrial: true };
      }
    }
    return undefined;
  }

  #tries(peer: Peer, paths: readonly SessionPath[]): boolean {
    if (!this.#isAllowed || paths.length < 2 || peer.scheduler.triesFirst !== true) return false;
    for (const path of paths) if (!isProven(path)) return true;
    return false;
  }
}

function isProven(path: SessionPath): boolean {
  return path.deliveryRate > 0 || path.bytesResent >= MAX_TRIAL_BYTES;
}

function rttOf(path: SessionPath): number {
  return path.smoothedRttMs ?? Number.POSITIVE_INFINITY;
}
