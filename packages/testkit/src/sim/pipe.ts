import type { Rng } from "@kwik/proto";
import type { VirtualClock } from "./virtual-clock.ts";

/** How one direction of a line behaves. */
export interface DirectionShape {
  /** Bytes per millisecond: 1250 is 10 Mbit/s. */
  readonly rateBytesPerMs: number;
  /** One way. */
  readonly delayMs: number;
  /** Up to so much is added to the delay of each chunk; order within a carrier stays. */
  readonly jitterMs?: number;
  /** Share of chunks that must be sent again by the link: they come about one and a half round trips late. */
  readonly lossRate?: number;
  /** Share of the link's own datagrams that are lost. */
  readonly datagramLossRate?: number;
  /** Bytes arrive in pieces of at most this size; 16 KiB by default. */
  readonly chunkBytes?: number;
  /** Pieces have random sizes up to `chunkBytes`. */
  readonly isRagged?: boolean;
  /** One order over all carriers, as over TCP; otherwise a late piece holds up its own carrier only. */
  readonly isOrdered?: boolean;
}

/** What travels: bytes of one carrier of one connection, or a sign of its own. */
export interface Cargo {
  readonly bytes: number;
  /** Pieces with the same key arrive in order. */
  readonly orderKey: string;
  /** Given up, since its connection has gone. */
  readonly isVoid: () => boolean;
  arrive(): void;
}

const DEFAULT_CHUNK_BYTES = 16 * 1024;

/**
 * One direction of a line, as a reliable transport makes it look: nothing is lost while the line lives, lost pieces come late, a black
 * hole holds everything back until it is healed.
 */
export class Pipe {
  readonly #clock: VirtualClock;
  readonly #rng: Rng;
  #shape: DirectionShape;
  #queue: Cargo[] = [];
  #head = 0;
  #queuedBytes = 0;
  readonly #flying = new Set<Cargo>();
  readonly #lastArrival = new Map<string, number>();
  #isBusy = false;
  #isPaused = false;
  /** Grows with every black hole: what was on its way then is held. */
  #era = 0;
  deliveredBytes = 0;

  constructor(clock: VirtualClock, rng: Rng, shape: DirectionShape) {
    this.#clock = clock;
    this.#rng = rng;
    this.#shape = shape;
  }

  get shape(): DirectionShape {
    return this.#shape;
  }

  set shape(shape: DirectionShape) {
    this.#shape = shape;
  }

  /** Bytes waiting for their turn on the line. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get isBlackHole(): boolean {
    return this.#isPaused;
  }

  /** Whether the next datagram of a link is lost. */
  losesDatagram(): boolean {
    const rate = this.#shape.datagramLossRate ?? 0;
    return this.#isPaused || (rate > 0 && this.#rng.next() < rate);
  }

  /** Size of the next piece to cut. */
  nextChunkBytes(): number {
    const limit = this.#shape.chunkBytes ?? DEFAULT_CHUNK_BYTES;
    return this.#shape.isRagged === true ? 1 + Math.floor(this.#rng.next() ** 3 * limit) : limit;
  }

  send(cargo: Cargo): void {
    this.#queue.push(cargo);
    this.#queuedBytes += cargo.bytes;
    this.#serve();
  }

  /** Nothing arrives any more; what is under way comes after `heal`. */
  blackhole(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#era += 1;
    const held = [...this.#flying];
    this.#flying.clear();
    for (const cargo of held) this.#queuedBytes += cargo.bytes;
    this.#queue = [...held, ...this.#queue.slice(this.#head)];
    this.#head = 0;
    this.#lastArrival.clear();
  }

  /** The transport notices after a while, and sends what was lost again. */
  heal(): void {
    if (!this.#isPaused) return;
    const era = this.#era;
    this.#clock.schedule(3 * this.#shape.delayMs + 20, () => {
      if (era !== this.#era || !this.#isPaused) return;
      this.#isPaused = false;
      this.#isBusy = false;
      this.#serve();
    });
  }

  #serve(): void {
    while (!this.#isBusy && !this.#isPaused) {
      const cargo = this.#queue[this.#head];
      if (cargo === undefined) {
        this.#queue = [];
        this.#head = 0;
        return;
      }
      this.#head += 1;
      if (this.#head > 4096) {
        this.#queue = this.#queue.slice(this.#head);
        this.#head = 0;
      }
      this.#queuedBytes -= cargo.bytes;
      if (cargo.isVoid()) continue;
      this.#isBusy = true;
      this.#flying.add(cargo);
      const era = this.#era;
      this.#clock.schedule(cargo.bytes / this.#shape.rateBytesPerMs, () => {
        if (era !== this.#era) return;
        this.#isBusy = false;
        this.#fly(cargo, era);
        this.#serve();
      });
    }
  }

  #fly(cargo: Cargo, era: number): void {
    const { delayMs, jitterMs = 0, lossRate = 0, isOrdered = false } = this.#shape;
    let arrival = this.#clock.now + delayMs + (jitterMs > 0 ? jitterMs * this.#rng.next() : 0);
    if (lossRate > 0 && this.#rng.next() < lossRate) arrival += 3 * delayMs + 5;
    const key = isOrdered ? "" : cargo.orderKey;
    arrival = Math.max(arrival, this.#lastArrival.get(key) ?? 0);
    this.#lastArrival.set(key, arrival);
    this.#clock.scheduleAt(arrival, () => {
      if (era !== this.#era) return;
      this.#flying.delete(cargo);
      if (cargo.isVoid()) return;
      this.deliveredBytes += cargo.bytes;
      cargo.arrive();
    });
  }
}
