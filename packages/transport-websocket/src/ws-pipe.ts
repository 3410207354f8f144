import type { Duplex } from "node:stream";
import { type Arrival, type BytePipe, type BytePipeReceiver, type LinkProperties, PIPE_LOW_WATER_BYTES } from "@kwik/core";
import { adoptSlab, type InputSink, type SocketInput } from "@kwik/tls";
import type WebSocket from "ws";
import { CloseCode, endReason } from "./end-reason.ts";
import { joinMessages, recycleMessage } from "./join-messages.ts";
import { LentMemory } from "./lent-memory.ts";

/** What a pipe is made of. */
export interface WsPipeParts {
  /** Open; nobody else listens for its messages. */
  readonly ws: WebSocket;
  /** What `ws` runs over: it alone says why a connection broke. */
  readonly socket: Duplex;
  readonly properties: LinkProperties;
  readonly encrypted: boolean;
  /** The first bytes are there, and go to the receiver next. */
  onFirstBytes?(): void;
  /** The socket is closed and everything is given back. */
  onGone?(): void;
  /** The receiver threw; the pipe was ended. For logs. */
  onNotice?(message: string): void;
}

const SEND_OPTIONS = { binary: true, compress: false, fin: true } as const;

/** A pipe over an open WebSocket. Binary messages carry its bytes; where one message ends and the next begins means nothing. */
export class WsPipe implements BytePipe, InputSink {
  readonly tellsBatches = true;
  readonly properties: LinkProperties;
  readonly encrypted: boolean;
  readonly #parts: WsPipeParts;
  readonly #ws: WebSocket;
  /** Messages that the operating system has not taken yet, in order. */
  readonly #queued: Uint8Array[] = [];
  /** Undefined where `ws` gets its bytes from the socket itself. */
  #input: SocketInput | undefined;
  /** What `ws` was given and may not be done with. */
  readonly #lent = new LentMemory();
  /** The end of a batch is owed. */
  #isBatchOpen = false;
  #receiver: BytePipeReceiver | undefined;
  #bufferedBytes = 0;
  #isAboveMark = false;
  /** Ended here, or known to have ended there: nothing is delivered any more. */
  #isOver = false;
  #socketError: string | undefined;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(parts: WsPipeParts) {
    this.#parts = parts;
    this.#ws = parts.ws;
    this.properties = parts.properties;
    this.encrypted = parts.encrypted;
    parts.ws.on("message", (data, isBinary) => this.#onMessage(data as Buffer, isBinary));
    // `ws` has closed with the right code by itself when it reports a fault of the other side.
    parts.ws.on("error", (error) => this.#ended(`what came is not kwik over WebSocket: ${error.message}`));
    parts.ws.on("close", (code, reason) => this.#onClose(code, reason.toString()));
    parts.socket.on("error", (error) => {
      this.#socketError ??= error.message;
    });
    // Before `ws` hears of it, which takes nothing afterwards.
    for (const end of ["end", "close"]) parts.socket.prependListener(end, () => this.#input?.flush());
    // Until somebody receives, bytes wait with the operating system.
    parts.ws.pause();
  }

  get receiver(): BytePipeReceiver | undefined {
    return this.#receiver;
  }

  set receiver(receiver: BytePipeReceiver | undefined) {
    const isFirst = this.#receiver === undefined;
    this.#receiver = receiver;
    if (!isFirst || receiver === undefined) return;
    this.#ws.resume();
    setImmediate(() => {
      this.#input = adoptSlab(this.#parts.socket);
      this.#input?.start(this);
    });
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  write(parts: readonly Uint8Array[]): void {
    if (this.#isOver || this.#ws.readyState !== this.#ws.OPEN) return;
    for (const message of joinMessages(parts)) {
      this.#queued.push(message);
      this.#bufferedBytes += message.length;
      this.#ws.send(message, SEND_OPTIONS, this.#onSent);
    }
    if (this.#bufferedBytes >= PIPE_LOW_WATER_BYTES) this.#isAboveMark = true;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // What is queued goes before the close frame; `ws` gives up after its `closeTimeout`.
    this.#ws.close(CloseCode.normal);
    // The other side's close frame lies behind its data, which is read and dropped.
    this.#ws.resume();
  }

  stats(): { readonly rttMs: undefined; readonly bytesIn: number; readonly bytesOut: number } {
    return { rttMs: undefined, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut };
  }

  /** The oldest queued message was taken, or is lost. One function for all, so that a message costs no closure. */
  readonly #onSent = (error?: Error | null): void => {
    const message = this.#queued.shift();
    const bytes = message?.length ?? 0;
    this.#bufferedBytes -= bytes;
    if (message !== undefined) recycleMessage(message);
    if (error === undefined || error === null) this.#bytesOut += bytes;
    if (!this.#isAboveMark || this.#bufferedBytes >= PIPE_LOW_WATER_BYTES) return;
    this.#isAboveMark = false;
    if (this.#isOver) return;
    try {
      this.#receiver?.onDrain();
    } catch (cause) {
      this.#receiverFailed(cause);
    }
  };

  // InputSink -------------------------------------------------------------------------------------------------------------

  arrived(): void {
    if (this.#isBatchOpen) return;
    this.#isBatchOpen = true;
    setImmediate(this.#endBatch);
  }

  /** `ws` listens for what its socket brings by events. */
  take(data: Uint8Array, arrival: Arrival | undefined): void {
    this.#lent.lend(data, arrival);
    this.#parts.socket.emit("data", data);
  }

  readonly #endBatch = (): void => {
    this.#isBatchOpen = false;
    this.#input?.flush();
    if (!this.#isOver) this.#receiver?.onBatchEnd?.();
  };

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#isOver) return;
    this.arrived();
    if (!isBinary) {
      const reason = "the other side sent a text message; kwik's are binary";
      this.#ws.close(CloseCode.unsupportedData, "kwik's messages are binary");
      this.#ended(reason);
      return;
    }
    if (data.length === 0) return;
    if (this.#bytesIn === 0) this.#parts.onFirstBytes?.();
    this.#bytesIn += data.length;
    const arrival = this.#input === undefined ? undefined : this.#lent.arrivalOf(data);
    try {
      this.#receiver?.onData(data, arrival);
    } catch (cause) {
      this.#receiverFailed(cause);
    }
    this.#lent.settle();
  }

  #onClose(code: number, reason: string): void {
    this.#queued.length = 0;
    this.#bufferedBytes = 0;
    this.#ended(endReason(code, reason, this.#socketError));
    this.#parts.onGone?.();
  }

  #receiverFailed(cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    this.#parts.onNotice?.(`the receiver of a link from ${this.properties.remoteAddress} failed: ${message}`);
    if (this.#isOver) return;
    this.#ws.close(CloseCode.internalError);
    this.#ended("the receiver failed");
  }

  #ended(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    try {
      this.#receiver?.onEnd(reason);
    } catch (cause) {
      this.#receiverFailed(cause);
    }
  }
}
