import type { MemberId } from "../base/ids.ts";
import { body } from "../control/control-body.ts";
import type { ClientPaths } from "./client-paths.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";

/** Who is primary, as the client decides it when the one that was is lost or leaves. spec: PRIMARY-1, PRIMARY-2 */
export class Succession {
  readonly #state: SessionState;
  readonly #paths: ClientPaths;

  constructor(state: SessionState, paths: ClientPaths) {
    this.#state = state;
    this.#paths = paths;
  }

  /** To be called when a member got a path, was found sound again, was lost or leaves. */
  review(): void {
    const state = this.#state;
    if (state.hasEnded || !this.#isVacant()) return;
    const heir = this.#heir();
    if (heir === undefined) return;
    const before = state.peers.get(state.primary);
    const reason = before?.isLost === false ? `member ${state.primary} leaves` : `member ${state.primary} is lost`;
    state.primary = heir.member;
    heir.wasPrimary = true;
    this.#paths.tellPaths(heir);
    for (const peer of state.peers.values()) this.tell(peer);
    state.emit({ type: "primary-changed", member: heir.member, reason });
  }

  /** Tells a member who is primary, if it may know and does not. spec: PRIMARY-3 */
  tell(peer: Peer): void {
    const { primary } = this.#state;
    if (peer.isLost || !peer.isKnown || !peer.isVouched || peer.toldPrimary === primary) return;
    peer.toldPrimary = primary;
    peer.control.send(body("primary", { memberId: primary }));
  }

  #isVacant(): boolean {
    const primary = this.#state.peers.get(this.#state.primary);
    return primary === undefined || primary.isLost || primary.isGoingAway;
  }

  #heir(): Peer | undefined {
    const named = this.#state.peers.get(this.#state.primary)?.replacements ?? [];
    let best: Peer | undefined;
    let bestRank = Number.POSITIVE_INFINITY;
    for (const peer of this.#state.peers.values()) {
      if (peer.isLost || peer.isGoingAway || !peer.isKnown || !this.#isSound(peer.member)) continue;
      const at = named.findIndex(({ address, identity }) => (identity !== "" && identity === peer.identity) || address === peer.address);
      const rank = at >= 0 ? at : named.length + (peer.isVouched ? 0 : 1);
      if (rank > bestRank || (rank === bestRank && best !== undefined && peer.member > best.member)) continue;
      best = peer;
      bestRank = rank;
    }
    return best;
  }

  #isSound(member: MemberId): boolean {
    return this.#state.paths.usableOf(member).some((path) => !path.isSuspect);
  }
}
