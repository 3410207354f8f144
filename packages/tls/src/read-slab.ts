import type { Socket } from "node:net";
import { Arrival } from "@kwik/core";
import type { InputSink, SocketInput } from "./socket-input.ts";

/** Four full TLS records. Memory of this size comes from the heap of the process, which has it again at once. */
const LARGE_BYTES = 64 * 1024;
/** What a connection holds that brings little. */
const SMALL_BYTES = 4 * 1024;

/** Memory that is filled from its beginning to its end, once. */
interface Slab {
  readonly bytes: Uint8Array;
  readonly arrival: Arrival | undefined;
}

/**
 * Memory of ours that a socket reads into: for the option `onread` of a socket that is about to be made. It is handed on as it is filled, and given back
 * when whoever took it has no use for it any more. docs/decisions/0028
 */
export class ReadSlab implements SocketInput {
  /** For the constructor of the socket. Node asks for the place of the next read before the first one and after each; it must not be empty. */
  readonly onread: { readonly buffer: () => Uint8Array; readonly callback: (bytes: number) => boolean } = {
    buffer: () => (this.#end === 0 ? this.#slab.bytes : this.#slab.bytes.subarray(this.#end)),
    callback: (bytes) => this.#onRead(bytes),
  };
  #slab = newSlab(SMALL_BYTES);
  /** What was read and not handed on lies between these two. */
  #start = 0;
  #end = 0;
  /** Read since the last `flush`, and between the two before it. */
  #batchBytes = 0;
  #lastBatchBytes = 0;
  /** Came before there was a sink. */
  #early: Uint8Array[] = [];
  #socket: Socket | undefined;
  #sink: InputSink | undefined;

  /** The socket that was made with `onread`. */
  attach(socket: Socket): this {
    this.#socket = socket;
    return this;
  }

  start(sink: InputSink): void {
    this.#sink = sink;
    setImmediate(() => {
      for (const bytes of this.#early.splice(0)) sink.take(bytes, undefined);
      if (this.#batchBytes > 0) sink.arrived();
      this.#socket?.resume();
    });
  }

  flush(): void {
    this.#handOn(this.#rest(), this.#slab.arrival);
    this.#lastBatchBytes = this.#batchBytes;
    this.#batchBytes = 0;
  }

  /** Answers whether more may be read. Never throws: Node would read into the old place again. */
  #onRead(bytes: number): boolean {
    try {
      return this.#took(bytes);
    } catch (error) {
      this.#socket?.destroy(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  #took(bytes: number): boolean {
    const { length } = this.#slab.bytes;
    this.#end += bytes;
    this.#batchBytes += bytes;
    this.#sink?.arrived();
    // A large slab is not kept for the little that comes now.
    const isTooLarge = length === LARGE_BYTES && this.#batchBytes + this.#lastBatchBytes < SMALL_BYTES;
    if (this.#end < length && !isTooLarge) return true;
    const { arrival } = this.#slab;
    const rest = this.#rest();
    this.#slab = newSlab(this.#batchBytes >= SMALL_BYTES ? LARGE_BYTES : SMALL_BYTES);
    this.#start = 0;
    this.#end = 0;
    this.#handOn(rest, arrival);
    arrival?.release();
    return this.#sink !== undefined;
  }

  /** What was read and not handed on; it is not said again. */
  #rest(): Uint8Array {
    const rest = this.#slab.bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return rest;
  }

  #handOn(bytes: Uint8Array, arrival: Arrival | undefined): void {
    if (bytes.length === 0) return;
    if (this.#sink !== undefined) {
      this.#sink.take(bytes, arrival);
      return;
    }
    arrival?.leave();
    this.#early.push(bytes);
  }
}

/** Not zeroed, and no part of Node's pool: each byte is written before it is read. */
function newSlab(size: number): Slab {
  const bytes = Buffer.allocUnsafeSlow(size);
  return { bytes, arrival: Arrival.of(bytes) };
}
