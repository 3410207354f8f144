import { ErrorCode } from "../base/error-codes.ts";
import type { MemberId } from "../base/ids.ts";
import type { DurationMs, Instant } from "../base/time.ts";
import { ArrivalRate } from "./arrival-rate.ts";

/** `gone`: its paths died or it was removed; it may come back. `isolated`: for good. */
export type SourceState = "usable" | "suspect" | "gone" | "isolated";

/** One source in numbers. */
export interface FetchSourceStats {
  readonly member: MemberId;
  readonly state: SourceState;
  readonly isIsolated: boolean;
  /** Why it is isolated. */
  readonly reason: string | undefined;
  readonly bytesReceived: number;
  readonly bytesVerified: number;
  /** Bytes per millisecond; 0 until it has delivered. */
  readonly rate: number;
  readonly outstandingBytes: number;
}

/** What was asked of a source about which nothing is known, in bytes; grows as they arrive. */
const INITIAL_TARGET_BYTES = 256 * 1024;

/** What is asked of a new source grows by this much of what arrives: paths double per round trip, requests must not be slower. */
const RAMP_FACTOR = 2;

/** Round-trip time of a source that has none yet. */
const ASSUMED_RTT_MS = 50;

/** Work beyond a round trip that a source holds, in milliseconds, where the window allows: hides the jitter of arrivals and of our own turns. */
export const RESERVE_MS = 100;

/** Bytes that may be under way unseen when the rate of a new source is judged. */
const BENEFIT_OF_DOUBT_BYTES = 16 * 1024;

/** Silence beyond a round trip that is unusual for a source which delivers, in milliseconds: what is needed next is asked of another one as well. spec: CONTENT-11 */
const ALARM_MS = 50;

/** Silence beyond a round trip after which the rate counts as falling, in milliseconds. */
const PATIENCE_MS = 200;
const MAX_PATIENCE_MS = 2_000;

/** Requests open at one source, at most. spec: CONTENT-15 */
const MAX_OPEN_REQUESTS = 64;

/** Refusals in a row after which a source is isolated. */
const MAX_STRIKES = 2;

/** Wait after a refusal or a stall before the source is asked again, in milliseconds; doubles with each. */
const BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 8_000;

/** A source is set aside when it was late so often, with so much between, before a block of it was verified. spec: CONTENT-18 */
const MAX_LATE = 3;
const LATE_DISTANCE_MS = 1_000;
const FIRST_ASIDE_MS = 10_000;
const MAX_ASIDE_MS = 60_000;
/** A server that is not asked any more, and why. */
export interface IsolatedSource {
  readonly member: MemberId;
  readonly code: ErrorCode;
  readonly reason: string;
  /** What it has instead, with CONTENT_VERSION; else empty. */
  readonly version: string;
}

/** One server from which blocks are fetched: how fast it is, what it owes, how far it can be trusted. */
export class FetchSource<Attempt extends { readonly length: number; readonly isUrgent: boolean }> {
  readonly member: MemberId;
  state: SourceState = "usable";
  /** It leaves soon. */
  isRetired = false;
  /** Why it is isolated. */
  isolation: IsolatedSource | undefined;
  /** Work beyond a round trip that it holds, in milliseconds. */
  reserveMs: DurationMs = RESERVE_MS;
  /** Attempts that are live, in the order in which the source answers. */
  readonly queue: Attempt[] = [];
  outstandingBytes = 0;
  openRequests = 0;
  bytesReceived = 0;
  bytesVerified = 0;
  readonly #rate = new ArrivalRate();
  #rttMs: DurationMs | undefined;
  #rampTargetBytes = INITIAL_TARGET_BYTES;
  #isRamping = true;
  #retryAt: Instant = -Infinity;
  #refusals = 0;
  #stalls = 0;
  #lateCount = 0;
  #lateAt: Instant = -Infinity;
  #asideCount = 0;
  #asideUntil: Instant = -Infinity;
  /** Last arrival, or the first request after idling. */
  #lastProgress: Instant = -Infinity;
  /** The first request after idling, and what came since. */
  #awaitedSince: Instant = -Infinity;
  #awaitedBytes = 0;

  constructor(member: MemberId, rttMs: DurationMs | undefined) {
    this.member = member;
    this.#rttMs = rttMs;
  }

  get rttMs(): DurationMs {
    return this.#rttMs ?? ASSUMED_RTT_MS;
  }

  set rttMs(value: DurationMs | undefined) {
    if (value !== undefined) this.#rttMs = value;
  }

  get isRateKnown(): boolean {
    return this.#rate.isKnown;
  }

  stats(): FetchSourceStats {
    const { member, state, bytesReceived, bytesVerified, outstandingBytes } = this;
    const reason = this.isolation?.reason;
    return {
      member,
      state,
      isIsolated: state === "isolated",
      reason,
      bytesReceived,
      bytesVerified,
      rate: this.#rate.bytesPerMs,
      outstandingBytes,
    };
  }

  /** When it may be asked again after a refusal or a stall. */
  get retryAt(): Instant {
    return this.#retryAt;
  }

  /** Measured bytes per millisecond, a guess for a source that has not delivered yet; falls with silence. */
  rateAt(now: Instant): number {
    const rate = this.#rate.isKnown ? this.#rate.bytesPerMs : this.#guessAt(now);
    const silence = this.silenceMs(now);
    return silence > this.patienceMs ? (rate * this.patienceMs) / silence : rate;
  }

  /** Before a measurement: an ordinary rate, as long as what came by now does not disprove it. */
  #guessAt(now: Instant): number {
    const ordinary = INITIAL_TARGET_BYTES / (this.rttMs + RESERVE_MS);
    const waited = now - this.#awaitedSince - this.rttMs;
    if (this.outstandingBytes === 0 || waited <= 0) return ordinary;
    return Math.min(ordinary, (this.#awaitedBytes + BENEFIT_OF_DOUBT_BYTES) / waited);
  }

  /** Bytes that should be outstanding so that the pipe never drains, at least. */
  targetBytes(now: Instant): number {
    const steady = this.#rate.isKnown ? this.rateAt(now) * (this.rttMs + this.reserveMs) : 0;
    return this.#isRamping ? Math.max(this.#rampTargetBytes, steady) : steady;
  }

  /** Whether it may be asked for more. A source with nothing outstanding always may, if it is usable. */
  hasRoom(now: Instant): boolean {
    if (this.state !== "usable" || now < this.#retryAt || this.openRequests >= MAX_OPEN_REQUESTS) return false;
    return this.outstandingBytes === 0 || this.outstandingBytes < this.targetBytes(now);
  }

  /** When `bytes` more would have arrived if they were asked for now, in milliseconds from now. */
  deliveryMs(bytes: number, now: Instant): DurationMs {
    const rate = this.rateAt(now);
    if (rate <= 0) return Infinity;
    return Math.max(this.rttMs, this.outstandingBytes / rate, this.#retryAt - now) + bytes / rate;
  }

  /** Silence that is normal for it, in milliseconds. */
  get patienceMs(): DurationMs {
    return Math.max(this.rttMs + PATIENCE_MS, Math.min(MAX_PATIENCE_MS, 2 * this.#rate.spacingMs));
  }

  /** Whether it owes bytes and is silent for longer than it has been between arrivals, too briefly yet for its rate to count as falling. */
  isUnusuallySilent(now: Instant): boolean {
    return this.#rate.isKnown && this.outstandingBytes > 0 && now >= this.alarmAt;
  }

  /** From when on its silence is unusual, while it owes bytes. */
  get alarmAt(): Instant {
    return this.#lastProgress + this.rttMs + Math.max(ALARM_MS, 2 * this.#rate.spacingMs);
  }

  /** Silence while bytes are owed, in milliseconds. */
  silenceMs(now: Instant): DurationMs {
    return this.outstandingBytes === 0 ? 0 : now - this.#lastProgress;
  }

  noteRequested(now: Instant, attempt: Attempt): void {
    if (this.outstandingBytes === 0) {
      this.#lastProgress = now;
      this.#awaitedSince = now;
      this.#awaitedBytes = 0;
    }
    if (!attempt.isUrgent) this.queue.push(attempt);
    else {
      // After those that are urgent too.
      const at = this.queue.findIndex((other) => !other.isUrgent);
      this.queue.splice(at < 0 ? this.queue.length : at, 0, attempt);
    }
    this.outstandingBytes += attempt.length;
  }

  noteArrival(now: Instant, bytes: number): void {
    this.bytesReceived += bytes;
    this.#awaitedBytes += bytes;
    this.#lastProgress = now;
    this.#stalls = 0;
    this.#rate.add(now, bytes, this.outstandingBytes, this.rttMs, this.#isRamping);
    if (!this.#isRamping) return;
    this.#rampTargetBytes += RAMP_FACTOR * bytes;
    // The bytes asked for outgrew what the source was seen to deliver: the pipe is full.
    if (this.#rate.isKnown && this.#rampTargetBytes > 2 * this.#rate.peakBytesPerMs * (this.rttMs + RESERVE_MS)) this.#isRamping = false;
  }

  noteVerified(bytes: number): void {
    this.bytesVerified += bytes;
    this.#refusals = 0;
    this.#lateCount = 0;
  }

  /** A block of it is fetched elsewhere because it is late. Answers whether it is set aside for that. */
  noteLate(now: Instant): boolean {
    if (now - this.#lateAt < LATE_DISTANCE_MS || now < this.#asideUntil) return false;
    this.#lateAt = now;
    this.#lateCount += 1;
    if (this.#lateCount < MAX_LATE) return false;
    this.#lateCount = 0;
    this.#asideUntil = now + Math.min(MAX_ASIDE_MS, FIRST_ASIDE_MS * 2 ** this.#asideCount);
    this.#asideCount += 1;
    return true;
  }

  /** It is asked for nothing while others are known to deliver: it leaves, or is set aside. */
  isSpared(now: Instant): boolean {
    return this.isRetired || now < this.#asideUntil;
  }

  /** Takes an attempt out of the queue, because it is complete or dropped; the caller keeps `outstandingBytes`. */
  forget(attempt: Attempt): void {
    const index = this.queue.indexOf(attempt);
    if (index === 0) this.queue.shift();
    else if (index > 0) this.queue.splice(index, 1);
    if (this.queue.length === 0) this.#rate.pause();
  }

  /** It refused a request; answers the code with which it is to be isolated, if it is: at once if it has not the content, else when it repeats. */
  noteRefused(now: Instant, code: number): ErrorCode | undefined {
    if (code === ErrorCode.CONTENT_VERSION || code === ErrorCode.CONTENT_NOT_FOUND) return code;
    // Several requests refused together are one refusal.
    if (now < this.#retryAt) return undefined;
    this.#refusals += 1;
    this.#backOff(now, this.#refusals);
    if (this.#refusals < MAX_STRIKES) return undefined;
    return code === ErrorCode.LIMIT_REACHED ? code : ErrorCode.INTERNAL_ERROR;
  }

  /** What it owed was asked of others because nothing came. It starts anew, after a pause that grows while it stays silent. */
  noteStalled(now: Instant): void {
    if (now < this.#retryAt) return;
    this.#stalls += 1;
    this.#backOff(now, this.#stalls);
    this.#rate.reset();
  }

  /** It is back after suspicion or death. */
  restart(): void {
    this.#rate.pause();
    this.#restartRamp();
    this.#retryAt = -Infinity;
  }

  /** Time in which this process did not run is no silence. */
  wokeUp(now: Instant): void {
    if (this.outstandingBytes === 0) return;
    this.#lastProgress = now;
    this.#awaitedSince = now;
    this.#rate.pause();
  }

  #backOff(now: Instant, count: number): void {
    this.#retryAt = now + Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (count - 1));
    this.#restartRamp();
  }

  #restartRamp(): void {
    this.#isRamping = true;
    this.#rampTargetBytes = INITIAL_TARGET_BYTES;
  }
}
