import type { PathId } from "../base/ids.ts";
import { hasRoom, highestRank, rankOf } from "./eligible-path.ts";
import type { PathView, Scheduler } from "./scheduler.ts";

/** Each path with room in turn. For tests and for paths that are alike. */
export class RoundRobin implements Scheduler {
  #last: PathId = -1;

  pick(paths: readonly PathView[], packetBytes: number, pendingBytes: number): PathView | undefined {
    const rank = highestRank(paths);
    let next: PathView | undefined;
    let lowest: PathView | undefined;
    for (let i = 0; i < paths.length; i += 1) {
      const path = paths[i] as PathView;
      if (rankOf(path) !== rank || !hasRoom(path, packetBytes, pendingBytes)) continue;
      if (path.id > this.#last && (next === undefined || path.id < next.id)) next = path;
      if (lowest === undefined || path.id < lowest.id) lowest = path;
    }
    const picked = next ?? lowest;
    if (picked !== undefined) this.#last = picked.id;
    return picked;
  }
}
