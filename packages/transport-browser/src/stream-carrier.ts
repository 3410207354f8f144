import type { Carrier, CarrierReceiver } from "@kwik/core";
import { isSessionOver, type WebTransportStream } from "./web-transport-api.ts";

/** Parts are joined up to so many bytes: what a write costs a browser does not depend on its size. */
const WRITE_BYTES = 64 * 1024;
/** Writes that the browser works at, at once. With one of them a stream stands still between two; more than these bring nothing. */
const MAX_WRITES = 4;

/** For so long a stream that was reset waits for the server's answer before it counts as given back, in milliseconds. */
const ANSWER_MS = 5_000;

/** What a carrier asks of its link. */
export interface StreamCarrierOwner {
  /** Hands what came to the receiver; what that throws ends the link. */
  deliver(carrier: StreamCarrier, data: Uint8Array): void;
  /** The carrier is over by what the peer or the network did; its receiver is told. */
  ended(carrier: StreamCarrier): void;
  /** Its stream is over on both sides. */
  released(carrier: StreamCarrier): void;
}

/** A bidirectional stream of the browser as a carrier. What is sent before the stream is there waits for it. */
export class StreamCarrier implements Carrier {
  readonly id: number;
  /** Whether this side opened it. */
  readonly isOwn: boolean;
  receiver: CarrierReceiver | undefined = undefined;
  readonly #owner: StreamCarrierOwner;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #queue: Uint8Array[] = [];
  /** Index of the first part that waits. */
  #head = 0;
  #queuedBytes = 0;
  /** Sizes of the writes under way, in order. */
  #writing: number[] = [];
  #writingBytes = 0;
  #isScheduled = false;
  #isOver = false;
  #answerTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(id: number, isOwn: boolean, owner: StreamCarrierOwner) {
    this.id = id;
    this.isOwn = isOwn;
    this.#owner = owner;
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + this.#writingBytes;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#isOver) return;
    for (const part of parts) {
      if (part.length === 0) continue;
      this.#queue.push(part);
      this.#queuedBytes += part.length;
    }
    this.#schedule();
  }

  /** The code does not travel: servers of kwik look at none, and their resets cannot carry one. docs/webtransport.md */
  reset(_code: number): void {
    if (this.#isOver) return;
    this.abandon();
    this.#abort();
  }

  /** The browser has made, or brought, the stream. */
  start(stream: WebTransportStream): void {
    this.#reader = stream.readable.getReader();
    this.#writer = stream.writable.getWriter();
    this.#writer.closed.catch(this.#onBroken);
    void this.#receive(this.#reader);
    if (this.#isOver) this.#abort();
    else this.#schedule();
  }

  /** Nothing is sent or delivered any more, and the receiver is not told. */
  abandon(): void {
    this.#isOver = true;
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
    this.#writing = [];
    this.#writingBytes = 0;
  }

  async #receive(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    for (;;) {
      let next: Awaited<ReturnType<typeof reader.read>>;
      try {
        next = await reader.read();
      } catch (error) {
        // The link forgets all of its carriers when it hears of the end of the session.
        if (isSessionOver(error)) return;
        this.#onBroken(error);
        break;
      }
      if (next.done) {
        if (!this.#isOver) this.#end();
        break;
      }
      if (!this.#isOver && next.value.length > 0) this.#owner.deliver(this, next.value);
    }
    clearTimeout(this.#answerTimer);
    this.#owner.released(this);
  }

  /** What is sent in one turn of the event loop is written together. */
  #schedule(): void {
    if (this.#isScheduled || this.#queuedBytes === 0 || this.#writer === undefined) return;
    this.#isScheduled = true;
    queueMicrotask(this.#write);
  }

  readonly #write = (): void => {
    this.#isScheduled = false;
    const writer = this.#writer;
    if (writer === undefined) return;
    while (this.#queuedBytes > 0 && this.#writing.length < MAX_WRITES) {
      const data = this.#take();
      this.#writing.push(data.length);
      this.#writingBytes += data.length;
      writer.write(data).then(this.#onWritten, this.#onBroken);
    }
  };

  /** One function for all writes, so that a write costs no closure. */
  readonly #onWritten = (): void => {
    this.#writingBytes -= this.#writing.shift() ?? 0;
    if (!this.#isOver && this.#queuedBytes > 0) this.#write();
  };

  /** What goes out in one write: a part by itself, or a copy of several. */
  #take(): Uint8Array {
    const first = this.#queue[this.#head] as Uint8Array;
    let end = this.#head + 1;
    let length = first.length;
    for (; end < this.#queue.length; end += 1) {
      const more = (this.#queue[end] as Uint8Array).length;
      if (length + more > WRITE_BYTES) break;
      length += more;
    }
    let data = first;
    if (length > first.length) {
      data = new Uint8Array(length);
      let at = 0;
      for (let i = this.#head; i < end; i += 1) {
        const part = this.#queue[i] as Uint8Array;
        data.set(part, at);
        at += part.length;
      }
    }
    this.#queuedBytes -= length;
    this.#forget(end);
    return data;
  }

  #forget(end: number): void {
    if (end === this.#queue.length) this.#queue = [];
    else if (end * 2 >= this.#queue.length) this.#queue = this.#queue.slice(end);
    else {
      this.#queue.fill(NOTHING, this.#head, end);
      this.#head = end;
      return;
    }
    this.#head = 0;
  }

  /** The link hears of the end of the session by itself, with code and reason. */
  readonly #onBroken = (error: unknown): void => {
    if (!this.#isOver && !isSessionOver(error)) this.#end();
  };

  #end(): void {
    this.abandon();
    this.#abort();
    this.#owner.ended(this);
  }

  /**
   * Says that nothing follows, and reads on until the server has answered with the same. Chromium ends a session of which more than 1000
   * control frames, which resets are, wait for their acknowledgement, and tells a page of none; the answer tells of one. A server that says
   * nothing is told to stop.
   */
  #abort(): void {
    // Without a stream yet: when it comes.
    const reader = this.#reader;
    if (reader === undefined || this.#writer === undefined) return;
    this.#writer.abort().catch(ignore);
    this.#answerTimer = setTimeout(() => void reader.cancel().catch(ignore), ANSWER_MS);
  }
}

const NOTHING = new Uint8Array(0);

function ignore(): void {
  // What is over has nothing to say.
}
