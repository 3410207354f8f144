import type { Limits } from "../base/limits.ts";
import type { DurationMs, Instant } from "../base/time.ts";
import { WindowedMax } from "./windowed-max.ts";

/** A minimum that was not seen again for this long is forgotten: the route may have changed. */
const MIN_RTT_WINDOW_MS = 10_000;

/**
 * Round-trip time of one path, in the manner of RFC 9002 section 5. All values in milliseconds.
 * Unlike there the peer's delay is taken off the minimum too: it bounds what is in flight, and a peer that lies about it only slows itself.
 */
export class RttEstimator {
  #smoothedMs: number | undefined;
  #varianceMs = 0;
  #latestMs: number | undefined;
  /** Holds negated samples, so that its maximum is the minimum. */
  readonly #negatedMin = new WindowedMax();
  #minSeenAt: Instant = 0;

  /** Smoothed round-trip time; undefined before the first sample. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  /** Mean deviation of the samples; 0 before the first sample. */
  get varianceMs(): number {
    return this.#varianceMs;
  }

  /** Smallest sample of about the last ten seconds, without the peer's delay; undefined before the first sample. */
  get minMs(): number | undefined {
    return this.#negatedMin.isEmpty ? undefined : -this.#negatedMin.value;
  }

  /** The last sample as measured. */
  get latestMs(): number | undefined {
    return this.#latestMs;
  }

  /** How long no sample has come within a tenth of the minimum; 0 before the first sample. */
  minAgeMs(now: Instant): DurationMs {
    return this.#negatedMin.isEmpty ? 0 : now - this.#minSeenAt;
  }

  /** Takes a sample: time from sending a packet to its acknowledgement, and how long the peer says to have held that back. */
  update(sampleMs: DurationMs, ackDelayMs: DurationMs, now: Instant): void {
    const sample = Math.max(sampleMs, 0);
    const adjusted = Math.max(sample - ackDelayMs, 0);
    this.#latestMs = sample;
    this.#negatedMin.update(-adjusted, MIN_RTT_WINDOW_MS, now);
    if (adjusted <= -this.#negatedMin.value * 1.1 + 0.05) this.#minSeenAt = now;
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = sample;
      this.#varianceMs = sample / 2;
      return;
    }
    this.#varianceMs = 0.75 * this.#varianceMs + 0.25 * Math.abs(this.#smoothedMs - adjusted);
    this.#smoothedMs = 0.875 * this.#smoothedMs + 0.125 * adjusted;
  }

  /** How long to wait for an acknowledgement before the path is doubted. spec: PATH-6 */
  probeTimeoutMs(limits: Pick<Limits, "minProbeTimeoutMs" | "initialProbeTimeoutMs" | "maxAckDelayMs">): DurationMs {
    if (this.#smoothedMs === undefined) return Math.max(limits.initialProbeTimeoutMs, limits.minProbeTimeoutMs);
    return Math.max(limits.minProbeTimeoutMs, this.#smoothedMs + 4 * this.#varianceMs + limits.maxAckDelayMs);
  }
}
