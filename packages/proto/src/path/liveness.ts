import type { Limits } from "../base/limits.ts";
import type { DurationMs, Instant } from "../base/time.ts";

/** What liveness asks of its path. */
export interface Vitals {
  readonly probeTimeoutMs: DurationMs;
  readonly smoothedRttMs: DurationMs | undefined;
  /** When the oldest unacknowledged ack-eliciting packet was sent; undefined if nothing is outstanding. */
  readonly oldestSentAt: Instant | undefined;
}

/**
 * What is due: "probe" = send a PROBE; "suspect" = doubt the path, and send a PROBE too; "dead" = give it up.
 */
export type LivenessAction = "probe" | "suspect" | "dead";

const PROBE_BACKOFF = 1.5;
/** While bytes are awaited, silence of two round trips, but at least this, asks for a probe. */
const MIN_EXPECTING_SILENCE_MS = 50;
/** A timeout handled this many probe timeouts late says that this process slept, not that the path is silent. */
const LATE_PROBE_TIMEOUTS = 2;
/** A process that is always late must still notice a dead path. */
const MAX_RESTARTS = 2;

type LivenessLimits = Pick<Limits, "probeIntervalMs" | "deadAfterProbeTimeouts" | "minDeadAfterMs">;

/**
 * Tells whether a path still carries packets both ways. spec: PATH-5
 *
 * - Something unacknowledged, and silence for a probe timeout: suspect. Hearing the peer buys time up to two probe timeouts or three
 *   round trips, since acknowledgements wait behind the peer's data; no more, since in a one-way black hole it is heard but does not hear;
 *   and none if the peer says that it does not hear.
 * - Nothing unacknowledged, but bytes awaited: silence of two round trips asks for a probe; then the rule above applies.
 * - Idle: silence of `probeIntervalMs` asks for a probe.
 * - Suspect: probes with growing distance, until an acknowledgement makes progress, or the time for dying has come. That time counts from
 *   the last progress or the sending of what is unanswered, and at most twice as long if the peer is still heard.
 */
export class Liveness {
  readonly #limits: LivenessLimits;
  readonly #vitals: Vitals;
  #heardAt: Instant;
  #progressAt: Instant;
  #restartedAt: Instant;
  #restartCount = 0;
  #probedAt: Instant;
  #expectingSince: Instant | undefined;
  #isSuspect = false;
  /** The peer says that it gets no answer on this path. */
  #isDoubtedByPeer = false;
  /** From when the unanswered time of a suspect path counts. */
  #unansweredSince: Instant = 0;
  #nextProbeAt: Instant = 0;
  #probeDistanceMs: DurationMs = 0;

  constructor(limits: LivenessLimits, vitals: Vitals, now: Instant) {
    this.#limits = limits;
    this.#vitals = vitals;
    this.#heardAt = now;
    this.#progressAt = now;
    this.#restartedAt = now;
    this.#probedAt = now;
  }

  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** When something last came on the path, or its watching began. */
  get heardAt(): Instant {
    return this.#heardAt;
  }

  /** Anything arrived. */
  heard(now: Instant): void {
    this.#heardAt = now;
    this.#restartCount = 0;
  }

  /** An ack-eliciting packet went out. */
  sent(now: Instant): void {
    this.#probedAt = now;
  }

  /** Something was newly acknowledged. Answers whether this ended a suspicion. */
  progress(now: Instant): boolean {
    this.#progressAt = now;
    this.#restartCount = 0;
    const wasSuspect = this.#isSuspect;
    this.#isSuspect = false;
    this.#isDoubtedByPeer = false;
    return wasSuspect;
  }

  /** The peer found the path silent, or heard again: what it sends here no longer speaks for the path, until something is acknowledged. */
  setDoubtedByPeer(isDoubted: boolean): void {
    this.#isDoubtedByPeer = isDoubted;
  }

  /** Whether bytes are awaited from the peer (a download, a content range). */
  setExpecting(now: Instant, isExpecting: boolean): void {
    if (!isExpecting) this.#expectingSince = undefined;
    else if (this.#expectingSince === undefined) this.#expectingSince = now;
  }

  /** The path begins its work: nothing before this moment counts against it. */
  restart(now: Instant): void {
    this.#restartedAt = now;
    this.#probedAt = now;
    if (!this.#isSuspect) return;
    this.#unansweredSince = now;
    this.#scheduleProbe(now, this.#vitals.probeTimeoutMs);
  }

  nextTimeout(): Instant {
    if (this.#isSuspect) return Math.min(this.#nextProbeAt, this.#deadAt());
    return this.#suspectAt() ?? this.#probeAt();
  }

  /** Answers undefined before `nextTimeout()`. */
  handleTimeout(now: Instant): LivenessAction | undefined {
    const at = this.nextTimeout();
    if (now < at) return undefined;
    const isQuiet = !this.#isSuspect && this.#vitals.oldestSentAt === undefined;
    if (isQuiet) {
      this.#probedAt = now;
      return "probe";
    }
    const timeoutMs = this.#vitals.probeTimeoutMs;
    if (now - at > LATE_PROBE_TIMEOUTS * timeoutMs && this.#restartCount < MAX_RESTARTS) {
      this.#restartCount += 1;
      this.restart(now);
      return "probe";
    }
    if (!this.#isSuspect) {
      this.#isSuspect = true;
      this.#unansweredSince = this.#unansweredBase();
      this.#scheduleProbe(now, timeoutMs);
      return "suspect";
    }
    if (now >= this.#deadAt()) return "dead";
    this.#scheduleProbe(now, this.#probeDistanceMs * PROBE_BACKOFF);
    return "probe";
  }

  /** The moment since which an answer is missing, as far as packets are concerned. */
  #unansweredBase(): Instant {
    return Math.max(this.#progressAt, this.#vitals.oldestSentAt ?? this.#progressAt, this.#restartedAt);
  }

  /** Undefined while nothing is outstanding. */
  #suspectAt(): Instant | undefined {
    if (this.#vitals.oldestSentAt === undefined) return undefined;
    const timeoutMs = this.#vitals.probeTimeoutMs;
    const base = this.#unansweredBase();
    if (this.#isDoubtedByPeer) return base + timeoutMs;
    const silenceAt = Math.max(base, this.#heardAt) + timeoutMs;
    const oneWayAt = base + Math.max(2 * timeoutMs, 3 * (this.#vitals.smoothedRttMs ?? 0));
    return Math.min(silenceAt, oneWayAt);
  }

  #probeAt(): Instant {
    const last = Math.max(this.#heardAt, this.#restartedAt);
    const idleAt = Math.max(last, this.#probedAt) + this.#limits.probeIntervalMs;
    if (this.#expectingSince === undefined) return idleAt;
    const srtt = this.#vitals.smoothedRttMs;
    const silenceMs = srtt === undefined ? this.#vitals.probeTimeoutMs : Math.max(2 * srtt, MIN_EXPECTING_SILENCE_MS);
    return Math.min(idleAt, Math.max(last, this.#probedAt, this.#expectingSince) + silenceMs);
  }

  #deadAt(): Instant {
    const ms = Math.max(this.#limits.deadAfterProbeTimeouts * this.#vitals.probeTimeoutMs, this.#limits.minDeadAfterMs);
    const silentAt = Math.max(this.#unansweredSince, this.#heardAt) + ms;
    return Math.min(silentAt, this.#unansweredSince + 2 * ms);
  }

  #scheduleProbe(now: Instant, distanceMs: DurationMs): void {
    this.#probeDistanceMs = distanceMs;
    this.#nextProbeAt = now + distanceMs;
  }
}
