import { ErrorCode } from "../base/error-codes.ts";
import type { MemberId } from "../base/ids.ts";
import type { ContentFetch } from "../content/content-fetch.ts";
import type { IsolatedSource } from "../content/fetch-source.ts";
import { body } from "../control/control-body.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";

/** Which members may be asked for contents, and who is told of those that are not. */
export class ContentSources {
  readonly #state: SessionState;
  readonly #liars = new Set<MemberId>();

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** Makes a member a source of a content or no longer one, as its paths are now. */
  update(content: ContentFetch, home: Peer, peer: Peer): void {
    const now = this.#state.now;
    const paths = peer.isLost ? [] : this.#state.paths.usableOf(peer.member);
    // Who is not believed about others' contents may bring its own: they are measured by its own hashes. spec: CONTENT-3
    if (paths.length === 0 || !peer.isKnown || (this.#liars.has(peer.member) && peer !== home)) {
      content.removeSource(peer.member, now);
      return;
    }
    const best = paths.find((path) => !path.isSuspect);
    content.addSource(peer.member, now, best?.smoothedRttMs, peer.isGoingAway);
    if (best === undefined) content.suspectSource(peer.member, now);
    else content.recoverSource(peer.member, now);
  }

  /** Says who is not asked for a content, to the application and to the servers that may know. spec: CONTENT-19 */
  isolated({ member: memberId, code, reason, version }: IsolatedSource, contentId: string): void {
    // Who lied once is not asked again in this session. spec: CONTENT-3
    if (code === ErrorCode.CONTENT_CORRUPT) this.#liars.add(memberId);
    const type = code === ErrorCode.TIMEOUT ? "source-slow" : "source-isolated";
    const pathId = this.#state.paths.ofMember(memberId).at(-1)?.id ?? 0;
    this.#state.emit({ type, member: memberId, pathId, contentId, code, reason, version });
    for (const peer of this.#state.peers.values()) {
      if (peer.isVouched && peer.isKnown && !peer.isLost && !peer.isAway)
        peer.control.send(body("sourceReport", { memberId, pathId, contentId, code, reason }));
    }
  }
}
