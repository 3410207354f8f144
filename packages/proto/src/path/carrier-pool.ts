import { type CarrierId, sequenceOf, type StreamId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import type { Instant } from "../base/time.ts";

/** Carriers are given back only after the load stayed below half for so long. */
const SHRINK_AFTER_MS = 5_000;

/** What a CARRIER_RETIRE of the peer means: it wants an answer, it is the answer, or nobody had asked for it. */
export type Retirement = "to-answer" | "over" | "unasked";

/**
 * The data carriers of one path, and which stream uses which. One that is given back leaves the pool at once; what remains is the
 * exchange of each side's last packet on it. spec: STREAM-8, CARRIER-6
 */
export class CarrierPool {
  readonly #streamsPerCarrier: number;
  readonly #maxCarriers: number;
  readonly #own: CarrierId[] = [];
  readonly #byPeer: CarrierId[] = [];
  /** Own ones that were taken out of use, until the peer has sent its last packet on them. */
  readonly #givenBack = new Set<CarrierId>();
  /** The peer's, on which this side has sent its last packet too: they end when the peer has it. */
  readonly #answered = new Set<CarrierId>();
  /** Those of either side on which this side's last packet has to go out. */
  readonly #farewells: CarrierId[] = [];
  #lowLoadSince: Instant | undefined;

  constructor(limits: Pick<Limits, "streamsPerCarrier" | "maxCarriers">) {
    this.#streamsPerCarrier = Math.max(1, limits.streamsPerCarrier);
    this.#maxCarriers = Math.max(1, limits.maxCarriers);
  }

  /** Carriers of either side that are in use. */
  get size(): number {
    return this.#own.length + this.#byPeer.length;
  }

  /** Carriers in use that this side opened. */
  get ownCount(): number {
    return this.#own.length;
  }

  /** Carriers of either side that are out of use and have not ended. */
  get leavingCount(): number {
    let count = this.#givenBack.size + this.#answered.size;
    for (const carrier of this.#farewells) if (!this.#givenBack.has(carrier)) count += 1;
    return count;
  }

  opened(carrier: CarrierId, byPeer: boolean): void {
    (byPeer ? this.#byPeer : this.#own).push(carrier);
  }

  /** A carrier has ended. Answers whether what this side sent on it may be lost. */
  closed(carrier: CarrierId): boolean {
    // The peer ends it when it has this side's last packet, and with that all before. spec: CARRIER-6
    if (this.#answered.delete(carrier)) return false;
    const wasWaiting = remove(this.#farewells, carrier);
    const wasGivenBack = this.#givenBack.delete(carrier);
    return remove(this.#own, carrier) || remove(this.#byPeer, carrier) || wasGivenBack || wasWaiting;
  }

  /**
   * How many carriers to open now (positive) or to give back (negative, see `giveBack`), for so many active streams. Grows at once;
   * shrinks after five seconds during which half of the carriers would have done. Each side keeps its own number, since the other side
   * prefers what this one opened. Carriers that are being opened must be subtracted by the caller.
   */
  wanted(activeStreams: number, now: Instant): number {
    // Those that were given back count until they have ended, so that a peer that leaves them open does not see ever more.
    const most = Math.max(this.#maxCarriers - this.#givenBack.size, 1);
    const needed = Math.min(Math.max(Math.ceil(activeStreams / this.#streamsPerCarrier), 1), most);
    const surplus = this.#own.length - needed;
    if (surplus <= 0 || needed > this.#own.length / 2) {
      this.#lowLoadSince = undefined;
      return surplus < 0 ? -surplus : 0;
    }
    this.#lowLoadSince ??= now;
    if (now - this.#lowLoadSince < SHRINK_AFTER_MS) return 0;
    return -surplus;
  }

  /** Takes the newest own carriers out of use, never the first; a farewell is due on each. */
  giveBack(count: number): void {
    const kept = Math.max(this.#own.length - count, 1);
    for (const carrier of this.#own.splice(kept).reverse()) {
      this.#givenBack.add(carrier);
      this.#farewells.push(carrier);
    }
  }

  /** The peer has sent its last packet on a carrier. Its own is out of use then, and a farewell due. */
  retired(carrier: CarrierId): Retirement {
    if (remove(this.#byPeer, carrier)) {
      this.#farewells.push(carrier);
      return "to-answer";
    }
    if (this.#farewells.includes(carrier)) return "unasked";
    return this.#givenBack.delete(carrier) ? "over" : "unasked";
  }

  get hasFarewell(): boolean {
    return this.#farewells.length > 0;
  }

  /** A carrier on which this side's last packet goes out now. */
  pollFarewell(): CarrierId | undefined {
    const carrier = this.#farewells.shift();
    if (carrier !== undefined && !this.#givenBack.has(carrier)) this.#answered.add(carrier);
    return carrier;
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

/** Answers whether it was there. */
function remove(carriers: CarrierId[], carrier: CarrierId): boolean {
  const index = carriers.indexOf(carrier);
  if (index >= 0) carriers.splice(index, 1);
  return index >= 0;
}
