import type { Limits } from "../base/limits.ts";
import type { DurationMs, Instant } from "../base/time.ts";
import { type DeliveryRate, MIN_SAMPLE_MS } from "./delivery-rate.ts";
import type { RttEstimator } from "./rtt-estimator.ts";

const KiB = 1024;
/** Added to the bandwidth-delay product: this much time of the rate, within bounds. */
const SLACK_MS = 10;
const MIN_SLACK_BYTES = 32 * KiB;
const MAX_LEAST_SLACK_BYTES = 64 * KiB;
/** Two event loops sit between a packet and its acknowledgement; a fast path must cover their turns. */
const LOOP_ALLOWANCE_MS = 2;
/** Bursts of acknowledgements are covered up to this much time of the rate. */
const MAX_BURST_MS = 10;
/** All of that together stays below this: what waits in memory longer falls out of the processors' caches, and costs more than it covers. */
const MAX_SLACK_BYTES = 1536 * KiB;
const STEADY_GAIN = 1.25;
/** What was acknowledged lets as much more go out: twice as much in each round. Beyond twice the product it would be a queue of more than one, and late news of trouble. */
const MAX_GAIN = 2;
/**
 * So much time of the rate below that when the startup is over, since the event loops of both ends make the product look larger than the line's, and bursts make the queue swing.
 * docs/decisions/0063-a-queue-of-less-than-a-product.md
 */
const QUEUE_RESERVE_MS = 11;
/** So little in flight is no long queue on any line, and covers the turns of event loops on fast ones. */
const LEAST_CAP_MS = 16;
/** The startup goes on while a round brings at least this factor … */
const STARTUP_GROWTH = 1.25;
/** … and ends after this many rounds without. */
const STARTUP_PATIENCE_ROUNDS = 3;
/** A round trip of so many times the least, plus this, is a queue, not an event loop: more in flight would not help, and the startup is over. */
const QUEUE_GAIN = 1.5;
const QUEUE_ALLOWANCE_MS = 4;
/** So much may be the beginning of one, or jitter: nothing more goes out for it, and the startup goes on. */
const DOUBT_GAIN = 1.125;
const DOUBT_ALLOWANCE_MS = 2;
/** The queue that the slack keeps standing would pass for the path's own delay: so often it is let run empty. */
const DRAIN_INTERVAL_MS = 8_000;
const DRAIN_GAIN = 0.75;
const MAX_DRAIN_MS = 500;

/** What is handed to a link and not acknowledged stays below this. spec: PATH-11 */
export class InFlightWindow {
  readonly #rate: DeliveryRate;
  readonly #rtt: RttEstimator;
  readonly #maxBytes: number;
  #limitBytes: number;

  #isStartup = true;
  #startupBytes: number;
  #startupRate = 0;
  #startupStaleRounds = 0;
  #roundStart: Instant = 0;
  #roundEndNumber = 0;
  #roundSampleCount = 0;
  #roundPeakBytes = 0;

  #drainStart: Instant | undefined;
  #lastDrain: Instant = 0;
  /** Packets from this number on were sent into the emptied queue; undefined before it is empty. */
  #drainedNumber: number | undefined;

  constructor(limits: Pick<Limits, "initialInFlightBytes" | "maxInFlightBytes">, rate: DeliveryRate, rtt: RttEstimator) {
    this.#rate = rate;
    this.#rtt = rtt;
    this.#maxBytes = limits.maxInFlightBytes;
    this.#limitBytes = Math.min(limits.initialInFlightBytes, limits.maxInFlightBytes);
    this.#startupBytes = this.#limitBytes;
  }

  /** Bytes that may be in flight now. */
  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** Whether the path's capacity is still being found. */
  get isStartup(): boolean {
    return this.#isStartup;
  }

  /** A packet went out; `inFlightBytes` with it. */
  handleSent(inFlightBytes: number): void {
    if (inFlightBytes > this.#roundPeakBytes) this.#roundPeakBytes = inFlightBytes;
  }

  /**
   * An acknowledgement of `ackedBytes` was taken into the rate and the round-trip time. `inFlightBytes` is what remains, `largestAcked` the
   * highest packet number acknowledged so far, `nextNumber` the one that the next packet will have, `packetBytes` the usual size of a packet.
   */
  handleAck(now: Instant, ackedBytes: number, inFlightBytes: number, largestAcked: number, nextNumber: number, packetBytes: number): void {
    const rate = this.#rate.bytesPerMs;
    const minRttMs = this.#rtt.minMs;
    if (rate === 0 || minRttMs === undefined) return;
    if (this.#isStartup) this.#grow(now, ackedBytes, rate, minRttMs, largestAcked, nextNumber);
    const bdpBytes = rate * minRttMs;
    let target = this.#steadyBytes(rate, bdpBytes);
    if (this.#isStartup) {
      target = Math.max(target, Math.min(this.#startupBytes, MAX_GAIN * bdpBytes));
    } else {
      this.#keepDraining(now, inFlightBytes, largestAcked, nextNumber, minRttMs, drainBytes(bdpBytes, packetBytes));
      if (this.#drainStart !== undefined) target = drainBytes(bdpBytes, packetBytes);
    }
    this.#limitBytes = Math.floor(Math.min(target, this.#maxBytes));
  }

  /** A quarter more than the product, and slack; where that would be a long queue, no more than the product and slack. */
  #steadyBytes(rate: number, bdpBytes: number): number {
    const slackBytes = this.#slackBytes(rate);
    const capBytes = Math.max(MAX_GAIN * bdpBytes - QUEUE_RESERVE_MS * rate, LEAST_CAP_MS * rate, bdpBytes + slackBytes);
    return Math.min(STEADY_GAIN * bdpBytes + slackBytes, capBytes);
  }

  /** Ten milliseconds of the rate, or the bursts in which acknowledgements come if these are larger, and two milliseconds of the rate. */
  #slackBytes(rate: number): number {
    const leastBytes = Math.min(MAX_LEAST_SLACK_BYTES, Math.max(MIN_SLACK_BYTES, SLACK_MS * rate));
    const burstBytes = Math.max(leastBytes, Math.min(this.#rate.burstBytes, MAX_BURST_MS * rate));
    return Math.min(MAX_SLACK_BYTES, burstBytes + LOOP_ALLOWANCE_MS * rate);
  }

  /** Lets more out as it is acknowledged, until there is a queue or the rate no longer grows. */
  #grow(now: Instant, ackedBytes: number, rate: number, minRttMs: DurationMs, largestAcked: number, nextNumber: number): void {
    const roundTripMs = this.#rtt.latestMs ?? 0;
    // Not by more than was ever used: where credit or the application is the limit, nothing is learned.
    if (roundTripMs <= DOUBT_GAIN * minRttMs + DOUBT_ALLOWANCE_MS)
      this.#startupBytes = Math.max(this.#startupBytes, Math.min(this.#startupBytes + ackedBytes, 2 * this.#roundPeakBytes));
    const hasQueue = roundTripMs > QUEUE_GAIN * minRttMs + QUEUE_ALLOWANCE_MS;
    if (hasQueue || this.#isStale(now, rate, minRttMs, largestAcked, nextNumber)) {
      this.#isStartup = false;
      // The least round trip is younger than the queue.
      this.#lastDrain = now;
    }
  }

  /** Judges the round that is over, if one is: whether several in turn have brought no higher rate. */
  #isStale(now: Instant, rate: number, minRttMs: DurationMs, largestAcked: number, nextNumber: number): boolean {
    const isOver =
      largestAcked >= this.#roundEndNumber &&
      now - this.#roundStart >= Math.max(minRttMs, MIN_SAMPLE_MS) &&
      (this.#rate.sampleCount > this.#roundSampleCount || rate >= this.#startupRate * STARTUP_GROWTH);
    if (!isOver) return false;
    if (rate >= this.#startupRate * STARTUP_GROWTH) {
      this.#startupRate = rate;
      this.#startupStaleRounds = 0;
    } else this.#startupStaleRounds += 1;
    this.#roundStart = now;
    this.#roundEndNumber = nextNumber;
    this.#roundSampleCount = this.#rate.sampleCount;
    this.#roundPeakBytes = 0;
    this.#lastDrain = now;
    return this.#startupStaleRounds >= STARTUP_PATIENCE_ROUNDS;
  }

  #keepDraining(now: Instant, inFlight: number, largestAcked: number, nextNumber: number, minRttMs: DurationMs, goalBytes: number): void {
    if (this.#drainStart === undefined) {
      const isStale = this.#rtt.minAgeMs(now) > DRAIN_INTERVAL_MS && now - this.#lastDrain > DRAIN_INTERVAL_MS;
      if (!isStale || inFlight <= goalBytes) return;
      this.#drainStart = now;
      this.#drainedNumber = undefined;
    }
    if (this.#drainedNumber === undefined && inFlight <= goalBytes) this.#drainedNumber = nextNumber;
    const isMeasured = this.#drainedNumber !== undefined && largestAcked >= this.#drainedNumber;
    if (!isMeasured && now - this.#drainStart < MAX_DRAIN_MS + 2 * minRttMs) return;
    this.#drainStart = undefined;
    this.#lastDrain = now;
  }
}

function drainBytes(bdpBytes: number, packetBytes: number): number {
  return Math.max(DRAIN_GAIN * bdpBytes, 2 * packetBytes);
}
