import { type CarrierId, sequenceOf, type StreamId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import type { Instant } from "../base/time.ts";

/** Carriers are given back only after the load stayed below half for so long. */
const SHRINK_AFTER_MS = 5_000;

/** The data carriers of one path, and which stream uses which. spec: STREAM-8 */
export class CarrierPool {
  readonly #streamsPerCarrier: number;
  readonly #maxCarriers: number;
  readonly #own: CarrierId[] = [];
  readonly #byPeer: CarrierId[] = [];
  #lowLoadSince: Instant | undefined;

  constructor(limits: Pick<Limits, "streamsPerCarrier" | "maxCarriers">) {
    this.#streamsPerCarrier = Math.max(1, limits.streamsPerCarrier);
    this.#maxCarriers = Math.max(1, limits.maxCarriers);
  }

  /** Carriers of either side. */
  get size(): number {
    return this.#own.length + this.#byPeer.length;
  }

  /** Carriers that this side opened. */
  get ownCount(): number {
    return this.#own.length;
  }

  opened(carrier: CarrierId, byPeer: boolean): void {
    (byPeer ? this.#byPeer : this.#own).push(carrier);
  }

  closed(carrier: CarrierId): void {
    remove(this.#own, carrier);
    remove(this.#byPeer, carrier);
  }

  /**
   * How many carriers to open now (positive) or to give back (negative, see `retirable`), for so many active streams. Grows at once;
   * shrinks after five seconds during which half of the carriers would have done. Each side keeps its own number, since the other side
   * prefers what this one opened. Carriers that are being opened must be subtracted by the caller.
   */
  wanted(activeStreams: number, now: Instant): number {
    const needed = Math.min(Math.max(Math.ceil(activeStreams / this.#streamsPerCarrier), 1), this.#maxCarriers);
    const surplus = this.#own.length - needed;
    if (surplus <= 0 || needed > this.#own.length / 2) {
      this.#lowLoadSince = undefined;
      return surplus < 0 ? -surplus : 0;
    }
    this.#lowLoadSince ??= now;
    if (now - this.#lowLoadSince < SHRINK_AFTER_MS) return 0;
    return -surplus;
  }

  /** The carrier to give back next: the newest own one, never the last. */
  get retirable(): CarrierId | undefined {
    return this.#own.length > 1 ? this.#own[this.#own.length - 1] : undefined;
  }

  /** Where a stream's packets go: stays the same while the pool does. Carriers opened by the receiver come first. */
  carrierFor(streamId: StreamId): CarrierId | undefined {
    const carriers = this.#byPeer.length > 0 ? this.#byPeer : this.#own;
    if (carriers.length === 0) return undefined;
    // Streams that follow each other go round the carriers.
    return carriers[(sequenceOf(streamId) + (streamId % 4)) % carriers.length];
  }

  /** For acknowledgements, credit and probes: the first own one, or the peer's first while there is no own. */
  get feedbackCarrier(): CarrierId | undefined {
    return this.#own[0] ?? this.#byPeer[0];
  }
}

function remove(carriers: CarrierId[], carrier: CarrierId): void {
  const index = carriers.indexOf(carrier);
  if (index >= 0) carriers.splice(index, 1);
}
