import type { Arrival, CarrierId } from "@kwik/proto";
import type { Carrier, CarrierReceiver } from "../transport/link.ts";

/** Emptied entries at the front of the queue before it is moved together. */
const COMPACT_AT = 256;

const NOTHING = new Uint8Array(0);

/** What a carrier asks of the link that it shares a pipe with others on. */
export interface PipeCarrierOwner {
  /** The carrier has something to send again. */
  wants(carrier: PipeCarrier): void;
  /** The carrier was reset here. */
  resets(carrier: PipeCarrier, code: number): void;
}

/** One carrier of a pipe: a queue of what waits for its turn. */
export class PipeCarrier implements Carrier {
  readonly id: CarrierId;
  receiver: CarrierReceiver | undefined = undefined;
  readonly #owner: PipeCarrierOwner;
  #queue: Uint8Array[] = [];
  /** Index of the first part that waits; those before it are on their way. */
  #head = 0;
  #bufferedBytes = 0;
  #isClosed = false;

  constructor(id: CarrierId, owner: PipeCarrierOwner) {
    this.id = id;
    this.#owner = owner;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Places in the queue, used or not; for tests of the release of memory. */
  get queueLength(): number {
    return this.#queue.length;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    const before = this.#bufferedBytes;
    for (const part of parts) {
      if (part.length === 0) continue;
      this.#queue.push(part);
      this.#bufferedBytes += part.length;
    }
    if (before === 0 && this.#bufferedBytes > 0) this.#owner.wants(this);
  }

  /** Moves at most `maxBytes` of what waits to the end of `batch`; answers how many. */
  take(maxBytes: number, batch: Uint8Array[]): number {
    let left = Math.min(maxBytes, this.#bufferedBytes);
    const taken = left;
    while (left > 0) {
      const part = this.#queue[this.#head] as Uint8Array;
      if (part.length > left) {
        batch.push(part.subarray(0, left));
        this.#queue[this.#head] = part.subarray(left);
        break;
      }
      batch.push(part);
      left -= part.length;
      this.#queue[this.#head] = NOTHING;
      this.#head += 1;
    }
    this.#bufferedBytes -= taken;
    if (this.#bufferedBytes === 0) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#queue.length) {
      // A queue under steady load is never empty.
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return taken;
  }

  reset(code: number): void {
    if (this.#isClosed) return;
    this.dispose();
    this.#owner.resets(this, code);
  }

  /** `arrival` is the memory of `data`, if it can be given back. */
  deliver(data: Uint8Array, arrival: Arrival | undefined): void {
    const { receiver } = this;
    if (this.#isClosed || receiver === undefined || data.length === 0) return;
    if (receiver.takesArrivals !== true) arrival?.leave();
    receiver.onData(data, arrival);
  }

  /** The peer has reset it. */
  end(): void {
    if (this.#isClosed) return;
    this.dispose();
    this.receiver?.onEnd();
  }

  /** Forgets what waits; nothing is sent or delivered any more. */
  dispose(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#head = 0;
    this.#bufferedBytes = 0;
  }
}
