import { type CarrierId, encodeClose, encodeDatagram, encodeReset, MAX_RECORD_HEAD_BYTES, writeDataHead } from "@kwik/proto";
import { type BytePipe, PIPE_LOW_WATER_BYTES } from "./byte-pipe.ts";
import type { PipeCarrier } from "./pipe-carrier.ts";

/** What waits before a pipe, at most, in bytes. spec: PIPE-7 */
const HIGH_WATER_BYTES = 2 * PIPE_LOW_WATER_BYTES;

/** What datagrams and other urgent records may add to it, in bytes. */
const DATAGRAM_BYTES = 128 * 1024;

/** One carrier's turn while others wait too, in bytes; alone it may have more. spec: PIPE-7 */
const TURN_BYTES = 16 * 1024;
const LONE_TURN_BYTES = 64 * 1024;

/** Heads of records are written into buffers of this size. */
const HEADS_BYTES = 2 * 1024;

/** Puts the carriers of one link on its pipe, in turns. */
export class PipeWriter {
  readonly #pipe: BytePipe;
  /** Those with something to send; the first has its turn. */
  readonly #ring: PipeCarrier[] = [];
  /** Records that go before data. */
  #urgent: Uint8Array[] = [];
  #urgentBytes = 0;
  #heads = new Uint8Array(0);
  #headsUsed = 0;
  #isScheduled = false;
  #isClosed = false;

  constructor(pipe: BytePipe) {
    this.#pipe = pipe;
  }

  /** Whether more records may be queued that nothing else bounds. */
  get hasRoom(): boolean {
    return this.#urgentBytes < HIGH_WATER_BYTES;
  }

  /** Bytes that wait for the pipe, those of carriers not included. */
  get urgentBytes(): number {
    return this.#urgentBytes;
  }

  /** Opens a carrier: numbers are used in order, whichever carrier is written on first. spec: PIPE-3 */
  open(id: CarrierId): void {
    this.#pushUrgent(this.#head(id, 0));
  }

  /** `carrier` has bytes, and had none. */
  add(carrier: PipeCarrier): void {
    this.#ring.push(carrier);
    this.#schedule();
  }

  /** `carrier` has nothing to send any more. */
  forget(carrier: PipeCarrier): void {
    const index = this.#ring.indexOf(carrier);
    if (index >= 0) this.#ring.splice(index, 1);
  }

  reset(carrier: PipeCarrier, code: number): void {
    this.forget(carrier);
    this.#pushUrgent(encodeReset(carrier.id, code));
  }

  /** Queues a copy, or answers false if too much waits already. */
  datagram(data: Uint8Array): boolean {
    // Beyond what bulk may fill: it would leave nothing to them.
    const queued = Math.max(0, this.#pipe.bufferedBytes - HIGH_WATER_BYTES) + this.#urgentBytes;
    if (this.#isClosed || queued + data.length > DATAGRAM_BYTES) return false;
    this.#pushUrgent(encodeDatagram(data));
    return true;
  }

  /** The last record, and the end of the pipe. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ring.length = 0;
    this.#pipe.write([...this.#urgent, encodeClose(code, reason)]);
    this.#urgent = [];
    this.#pipe.end();
  }

  /** The pipe has ended. */
  dispose(): void {
    this.#isClosed = true;
    this.#ring.length = 0;
    this.#urgent = [];
  }

  /** Fills the pipe. */
  fill(): void {
    if (this.#isClosed) return;
    let room = HIGH_WATER_BYTES - this.#pipe.bufferedBytes;
    const batch = this.#urgent;
    this.#urgent = [];
    this.#urgentBytes = 0;
    while (room > 0 && this.#ring.length > 0) room -= this.#turn(batch, room);
    if (batch.length > 0) this.#pipe.write(batch);
  }

  /** One record of the carrier in front, which then goes behind the others. Answers its bytes. */
  #turn(batch: Uint8Array[], room: number): number {
    const ring = this.#ring;
    const carrier = ring[0] as PipeCarrier;
    const turnBytes = ring.length > 1 ? TURN_BYTES : LONE_TURN_BYTES;
    const length = Math.min(carrier.bufferedBytes, turnBytes, room);
    batch.push(this.#head(carrier.id, length));
    carrier.take(length, batch);
    if (carrier.bufferedBytes === 0) ring.shift();
    else if (ring.length > 1) ring.push(ring.shift() as PipeCarrier);
    return length;
  }

  #head(carrier: CarrierId, length: number): Uint8Array {
    if (this.#headsUsed + MAX_RECORD_HEAD_BYTES > this.#heads.length) {
      // A pipe may keep what it was given: heads are not written over.
      this.#heads = new Uint8Array(HEADS_BYTES);
      this.#headsUsed = 0;
    }
    const start = this.#headsUsed;
    this.#headsUsed = writeDataHead(this.#heads, start, carrier, length);
    return this.#heads.subarray(start, this.#headsUsed);
  }

  #pushUrgent(record: Uint8Array): void {
    if (this.#isClosed) return;
    this.#urgent.push(record);
    this.#urgentBytes += record.length;
    this.#schedule();
  }

  /** What is sent in one turn of the event loop leaves together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.fill();
    });
  }
}
