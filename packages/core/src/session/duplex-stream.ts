import type { StreamEntry } from "@kwik/proto";
import type { ContentOptions, Stream } from "../api/contract.ts";
import type { ContentSource } from "../api/content.ts";
import { KwikError } from "../api/errors.ts";
import type { ReceiveHalf } from "./receive-half.ts";
import type { SendHalf } from "./send-half.ts";

/** Offers a content on a stream; the server session gives it. */
export type ContentOfferer = (entry: StreamEntry, send: SendHalf, source: ContentSource, options: ContentOptions) => Promise<void>;

/** A bidirectional stream: its two halves under one name. */
export class DuplexStream implements Stream {
  readonly id: bigint;
  readonly #entry: StreamEntry;
  readonly #send: SendHalf;
  readonly #receive: ReceiveHalf;
  readonly #offer: ContentOfferer | undefined;

  constructor(entry: StreamEntry, send: SendHalf, receive: ReceiveHalf, offer: ContentOfferer | undefined) {
    this.id = send.id;
    this.#entry = entry;
    this.#send = send;
    this.#receive = receive;
    this.#offer = offer;
  }

  get priority(): number {
    return this.#send.priority;
  }

  set priority(value: number) {
    this.#send.priority = value;
  }

  get writable(): WritableStream<Uint8Array> {
    return this.#send.writable;
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#receive.readable;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#send.write(data);
  }

  skip(bytes: number | bigint): void {
    this.#send.skip(bytes);
  }

  close(): Promise<void> {
    return this.#send.close();
  }

  flushed(): Promise<void> {
    return this.#send.flushed();
  }

  reset(code: number): void {
    this.#send.reset(code);
  }

  read(): Promise<Uint8Array | null> {
    return this.#receive.read();
  }

  readInto(target: Uint8Array): Promise<number> {
    return this.#receive.readInto(target);
  }

  readNow(target: Uint8Array): number | undefined {
    return this.#receive.readNow(target);
  }

  readReady(): Promise<void> {
    return this.#receive.readReady();
  }

  stopReading(code: number): void {
    this.#receive.stopReading(code);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#receive[Symbol.asyncIterator]();
  }

  sendContent(source: ContentSource, options: ContentOptions = {}): Promise<void> {
    if (this.#offer === undefined) {
      return Promise.reject(new KwikError("NOT_SUPPORTED", "only a server can send content; a client writes its bytes"));
    }
    return this.#offer(this.#entry, this.#send, source, options);
  }
}
