import type { MemoryClock } from "./memory-clock.ts";

/** How one direction of a memory link behaves. Everything may be changed while it is used. */
export interface PipeShape {
  /** Time from leaving to arriving, in milliseconds. Default 0. */
  delayMs: number;
  /** Bytes per second; Infinity (default) does not wait. */
  bytesPerSecond: number;
  /** Nothing gets through. Streams wait until it is false again; datagrams are lost. Default false. */
  isBlackhole: boolean;
}

/** One thing on its way. `carrierId` is -1 for datagrams. */
export interface PipeItem {
  readonly kind: "data" | "reset" | "datagram";
  readonly carrierId: number;
  data: Uint8Array;
  arrivesAt: number;
}

/** Bytes under way in one direction before the sender has to keep the rest, as a transport's own buffers would. */
const WINDOW_BYTES = 1024 * 1024;

/** Bytes delivered in one turn of the event loop. */
const TURN_BYTES = 256 * 1024;

const NOTHING = new Uint8Array(0);

/** One direction of a memory link: a line with a rate and a delay, and a queue before it. */
export class MemoryPipe {
  readonly shape: PipeShape;
  readonly #clock: MemoryClock;
  readonly #onItem: (item: PipeItem) => void;
  readonly #onBatchEnd: () => void;
  readonly #onLeft: (carrierId: number, bytes: number) => void;
  #queue: PipeItem[] = [];
  #flying: PipeItem[] = [];
  #flyingBytes = 0;
  #lineFreeAt = 0;
  #isScheduled = false;
  #isClosed = false;

  constructor(
    clock: MemoryClock,
    shape: Partial<PipeShape>,
    on: { item: (item: PipeItem) => void; batchEnd: () => void; left: (carrierId: number, bytes: number) => void },
  ) {
    this.#clock = clock;
    this.shape = { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, isBlackhole: false, ...shape };
    this.#onItem = on.item;
    this.#onBatchEnd = on.batchEnd;
    this.#onLeft = on.left;
  }

  push(kind: PipeItem["kind"], carrierId: number, data: Uint8Array = NOTHING): void {
    if (this.#isClosed || (kind === "datagram" && this.shape.isBlackhole)) return;
    this.#queue.push({ kind, carrierId, data, arrivesAt: 0 });
    this.#schedule(0);
  }

  /** What a reset overtakes: everything of the carrier that has not arrived. */
  drop(carrierId: number): void {
    this.#queue = this.#queue.filter((item) => item.carrierId !== carrierId);
    for (const item of this.#flying) {
      if (item.carrierId !== carrierId) continue;
      this.#flyingBytes -= item.data.length;
      item.data = NOTHING;
    }
  }

  /** Goes on after the shape was changed. */
  wake(): void {
    this.#schedule(0);
  }

  close(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#flying = [];
  }

  /** Asked again after each delivery, which may close the pipe. */
  #isOver(): boolean {
    return this.#isClosed;
  }

  #schedule(delayMs: number): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#clock.schedule(delayMs, () => {
      this.#isScheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#isClosed || this.shape.isBlackhole) return;
    const now = this.#clock.now();
    this.#depart(now);
    let delivered = 0;
    let count = 0;
    while (count < this.#flying.length && delivered < TURN_BYTES) {
      const item = this.#flying[count] as PipeItem;
      if (item.arrivesAt > now) break;
      count += 1;
      delivered += item.data.length;
      this.#flyingBytes -= item.data.length;
      this.#onItem(item);
      if (this.#isOver()) return;
    }
    this.#flying.splice(0, count);
    if (count > 0) this.#onBatchEnd();
    if (this.#isOver()) return;
    const next = this.#flying[0];
    if (next !== undefined) this.#schedule(Math.max(0, next.arrivesAt - now));
    else if (this.#queue.length > 0) this.#schedule(Math.max(0, this.#lineFreeAt - now));
  }

  #depart(now: number): void {
    let count = 0;
    while (count < this.#queue.length && this.#flyingBytes < WINDOW_BYTES && this.#lineFreeAt <= now + this.shape.delayMs) {
      const item = this.#queue[count] as PipeItem;
      count += 1;
      const bytes = item.data.length;
      this.#lineFreeAt = Math.max(this.#lineFreeAt, now) + (bytes / this.shape.bytesPerSecond) * 1000;
      item.arrivesAt = this.#lineFreeAt + this.shape.delayMs;
      // From here on the sender may use its buffer again.
      item.data = item.data.slice();
      this.#flyingBytes += bytes;
      this.#flying.push(item);
      if (item.kind === "data") this.#onLeft(item.carrierId, bytes);
    }
    this.#queue.splice(0, count);
  }
}
