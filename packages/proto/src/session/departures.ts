import type { DurationMs, Instant } from "../base/time.ts";
import { body, type ControlMessage } from "../control/control-body.ts";
import type { ClientPaths } from "./client-paths.ts";
import type { ContentClient } from "./content-client.ts";
import type { Peer, Replacement } from "./peer.ts";
import type { RawForwarding } from "./raw-forwarding.ts";
import type { SessionState } from "./session-state.ts";
import type { Succession } from "./succession.ts";

/** Replacements that a client looks at. spec: DRAIN-2 */
const MAX_REPLACEMENTS = 8;
/** How often a client looks whether something is left at a server that leaves. */
const LOOK_MS: DurationMs = 50;
/** So long nothing must have been left: what was acknowledged last is on its way, and who asks one thing after the other is not cut off between them. */
const QUIET_MS: DurationMs = 200;
/** How long the server's farewell is waited for. */
const LINGER_MS: DurationMs = 1_000;

interface Parts {
  readonly clientPaths: ClientPaths;
  readonly content: ContentClient;
  readonly raw: RawForwarding;
  readonly succession: Succession;
  loseMember(peer: Peer, reason: string): void;
}

/** The client's part when a server leaves: it goes elsewhere, and takes leave when nothing is left there. spec: DRAIN-2, DRAIN-3, DRAIN-4 */
export class Departures {
  readonly #state: SessionState;
  readonly #parts: Parts;
  /** Servers that leave, and since when nothing has been left there. */
  readonly #leaving = new Map<Peer, Instant | undefined>();
  /** Servers that were taken leave of, and how long their answer is waited for. */
  readonly #left = new Map<Peer, Instant>();
  #lookAt: Instant = 0;

  constructor(state: SessionState, parts: Parts) {
    this.#state = state;
    this.#parts = parts;
  }

  announced(from: Peer, message: ControlMessage<"goingAway">): void {
    const state = this.#state;
    const { reason, graceMs } = message;
    from.isGoingAway = true;
    from.leavesAt = state.now + graceMs;
    // Once: a server that could name others again and again would have the client dial the whole network. spec: DRAIN-2
    const isNew = from.replacements.length === 0;
    if (isNew) from.replacements = message.replacements.slice(0, MAX_REPLACEMENTS).map(parseReplacement);
    if (!this.#left.has(from)) this.#leaving.set(from, undefined);
    state.emit({ type: "going-away", member: from.member, reason, graceMs, replacements: isNew ? from.replacements : [] });
    this.#parts.succession.review();
    this.#parts.content.memberChanged(from);
  }

  /** The server has confirmed a farewell; false if there was none. */
  handleAck(from: Peer): boolean {
    if (!this.#left.delete(from)) return false;
    this.#parts.loseMember(from, "it left, and nothing was left there");
    return true;
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined = this.#leaving.size > 0 ? this.#lookAt : undefined;
    for (const at of this.#left.values()) next = next === undefined ? at : Math.min(next, at);
    return next;
  }

  handleTimeout(now: Instant): void {
    for (const [peer, at] of this.#left) if (at <= now) this.handleAck(peer);
    if (this.#leaving.size === 0 || now < this.#lookAt) return;
    this.#lookAt = now + LOOK_MS;
    for (const [peer, quietSince] of this.#leaving) {
      if (peer.isLost) this.#leaving.delete(peer);
      else if (!this.#isElsewhere(peer) || this.#isNeeded(peer)) this.#leaving.set(peer, undefined);
      else if (quietSince === undefined) this.#leaving.set(peer, now);
      else if (now - quietSince >= QUIET_MS) this.#leave(peer, now);
    }
  }

  #leave(peer: Peer, now: Instant): void {
    this.#leaving.delete(peer);
    this.#left.set(peer, now + LINGER_MS);
    peer.isLeft = true;
    peer.control.send(body("sessionClose", { code: 0, reason: "the client goes on at another server", application: false }));
  }

  /** Whether the session has gone on at another server. */
  #isElsewhere(leaving: Peer): boolean {
    const { paths, peers } = this.#state;
    if (paths.usableOf(leaving.member).length === 0) return false;
    for (const peer of peers.values()) {
      if (peer.isGoingAway || peer.isLost) continue;
      if (paths.usableOf(peer.member).some((path) => !path.isSuspect)) return true;
    }
    return false;
  }

  /** Whether something lives at the server, or comes from it. */
  #isNeeded(peer: Peer): boolean {
    const { content, raw, clientPaths } = this.#parts;
    if (content.outstandingFrom(peer.member) > 0 || raw.concerns(peer) || clientPaths.needs(peer.member)) return true;
    for (const entry of this.#state.streams.values()) {
      if (entry.contributors?.has(peer) === true || (entry.peer === peer && !content.completes(entry))) return true;
    }
    return false;
  }
}

/** "host:port" or "host:port#sha256:…" */
function parseReplacement(text: string): Replacement {
  const at = text.indexOf("#");
  return at < 0 ? { address: text, identity: "" } : { address: text.slice(0, at), identity: text.slice(at + 1) };
}
