import { earlier, type DurationMs, type Instant } from "../base/time.ts";
import type { Peer } from "./peer.ts";

/** Members without any path, and the session itself while it has none: since when, and until when they are waited for. spec: RESUME-1 */
export class Absences {
  readonly #graceMs: DurationMs;
  /** While somebody is waited for, the clock is looked at so often: what it jumps is told from what passed. */
  readonly #lookMs: DurationMs;
  readonly #since = new Map<Peer, Instant>();
  #suspendedSince: Instant | undefined;
  #lookAt: Instant | undefined;

  constructor(graceMs: DurationMs, lookMs: DurationMs) {
    this.#graceMs = graceMs;
    this.#lookMs = lookMs;
  }

  /** Whether the session has no path. */
  get isSuspended(): boolean {
    return this.#suspendedSince !== undefined;
  }

  suspend(now: Instant): void {
    this.#suspendedSince ??= now;
    this.#lookAt ??= now + this.#lookMs;
  }

  resume(): void {
    this.#suspendedSince = undefined;
  }

  /** The member has lost its last path. */
  begin(peer: Peer, now: Instant): void {
    if (this.#since.has(peer)) return;
    this.#since.set(peer, now);
    peer.isAway = true;
    this.#lookAt ??= now + this.#lookMs;
  }

  /** It has a path again, or is lost. */
  end(peer: Peer): void {
    this.#since.delete(peer);
    peer.isAway = false;
  }

  nextTimeout(): Instant | undefined {
    if (this.#since.size === 0 && this.#suspendedSince === undefined) return undefined;
    let next = this.#lookAt;
    for (const [peer, since] of this.#since) next = earlier(next, this.#until(peer, since));
    return this.#suspendedSince === undefined ? next : earlier(next, this.#suspendedSince + this.#graceMs);
  }

  /** Time in which the process did not run is not waited. spec: RESUME-3 */
  slept(sleptMs: DurationMs): void {
    for (const [peer, since] of this.#since) this.#since.set(peer, since + sleptMs);
    if (this.#suspendedSince !== undefined) this.#suspendedSince += sleptMs;
  }

  /** The clock was looked at. */
  looked(now: Instant): void {
    if (this.#since.size === 0 && this.#suspendedSince === undefined) this.#lookAt = undefined;
    else if (this.#lookAt === undefined || now >= this.#lookAt) this.#lookAt = now + this.#lookMs;
  }

  /** A member that was waited for long enough; it is forgotten here. */
  pollOverdue(now: Instant): Peer | undefined {
    for (const [peer, since] of this.#since) {
      if (this.#until(peer, since) > now) continue;
      this.#since.delete(peer);
      return peer;
    }
    return undefined;
  }

  /** Whether the session was without a path for the grace time. */
  isOver(now: Instant): boolean {
    return this.#suspendedSince !== undefined && this.#suspendedSince + this.#graceMs <= now;
  }

  /** One that leaves is not waited for beyond the time that it gave. spec: DRAIN-5 */
  #until(peer: Peer, since: Instant): Instant {
    const until = since + this.#graceMs;
    return peer.leavesAt === undefined ? until : Math.min(until, Math.max(since, peer.leavesAt));
  }
}
