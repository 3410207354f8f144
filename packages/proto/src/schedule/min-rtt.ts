import { hasRoom, highestRank, rankOf } from "./eligible-path.ts";
import type { PathView, Scheduler } from "./scheduler.ts";

/** The path with the lowest round-trip time that has room; paths without a sample come last. Fills the fast path, then the next. */
export class MinRtt implements Scheduler {
  pick(paths: readonly PathView[], packetBytes: number, pendingBytes: number): PathView | undefined {
    const rank = highestRank(paths);
    let best: PathView | undefined;
    let bestMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < paths.length; i += 1) {
      const path = paths[i] as PathView;
      if (rankOf(path) !== rank || !hasRoom(path, packetBytes, pendingBytes)) continue;
      const ms = path.smoothedRttMs ?? Number.MAX_VALUE;
      if (ms >= bestMs) continue;
      best = path;
      bestMs = ms;
    }
    return best;
  }
}
