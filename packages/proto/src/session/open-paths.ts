import type { Instant } from "../base/time.ts";
import type { Peer } from "./peer.ts";
import type { SessionPath } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";

/**
 * While less than this is in flight on a peer's only path, acknowledgements travel with what is sent anyway. Beyond it they would
 * wait behind bulk.
 */
const RIDE_BELOW_BYTES = 32 * 1024;

/** Tells on which paths something may go to a peer now. One array, reused by each call: another would be made in every poll. */
export class OpenPaths {
  readonly #state: SessionState;
  readonly #paths: SessionPath[] = [];

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** Paths on which data may go. */
  to(peer: Peer, now: Instant): SessionPath[] {
    const paths = this.#paths;
    let count = 0;
    // Data may follow the hello at once. spec: PATH-3
    const all = peer.isKnown ? this.#state.paths.usableOf(peer.member) : this.#state.paths.ofMember(peer.member);
    for (const path of all) {
      if (this.#state.wireOf(path)?.isOpenForData(now) !== true) continue;
      paths[count] = path;
      count += 1;
    }
    // Emptying and filling it again would allocate.
    if (paths.length !== count) paths.length = count;
    return paths;
  }

  /** Paths that are being removed: what is under way on them is still acknowledged. */
  removedTo(peer: Peer): SessionPath[] {
    const paths = this.#paths;
    paths.length = 0;
    for (const path of this.#state.paths.usableOf(peer.member)) {
      const wire = this.#state.wireOf(path);
      if (wire?.isDraining === true && wire.maySendData && !wire.isClosing) paths.push(path);
    }
    return paths;
  }
}

/** The path on which acknowledgements may ride, if there is just one and it is quiet. */
export function ridden(paths: readonly SessionPath[]): SessionPath | undefined {
  const [only] = paths;
  return only !== undefined && paths.length === 1 && !only.isSuspect && only.inFlightBytes < RIDE_BELOW_BYTES ? only : undefined;
}

/** The path for what is small and urgent: not suspect, lowest round-trip time. */
export function preferred(paths: readonly SessionPath[]): SessionPath {
  let best = paths[0] as SessionPath;
  for (const path of paths) {
    if (best.isSuspect !== path.isSuspect) {
      if (best.isSuspect) best = path;
      continue;
    }
    if ((path.smoothedRttMs ?? Number.POSITIVE_INFINITY) < (best.smoothedRttMs ?? Number.POSITIVE_INFINITY)) best = path;
  }
  return best;
}
