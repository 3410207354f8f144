import type { Socket } from "node:net";
import { PIPE_LOW_WATER_BYTES } from "@kwik/core";
import type { Arrival, BytePipe, BytePipeReceiver, LinkProperties } from "@kwik/core";
import { AcceptedInput, type InputSink, type SocketInput } from "@kwik/tls";

/** How long what is queued may take to leave after `end`, in milliseconds; BytePipe promises a second. */
const END_FLUSH_MS = 1_000;

/** One TCP connection, with or without TLS, that is connected and believed. Owns the socket from here on. */
export class TcpPipe implements BytePipe, InputSink {
  readonly tellsBatches = true;
  readonly properties: LinkProperties;
  readonly encrypted: boolean;
  /** Called once, before the first bytes are delivered. */
  onFirstBytes: (() => void) | undefined;
  readonly #socket: Socket;
  readonly #input: SocketInput;
  /** The end of a batch is owed. */
  #isBatchOpen = false;
  #receiver: BytePipeReceiver | undefined;
  /** `end` was called, or `onEnd` is told. */
  #isEnded = false;
  #isGone = false;
  /** At least the low-water mark is queued; `onDrain` is owed. */
  #isHigh = false;
  #bytesIn = 0;
  #writtenBytes = 0;
  #reason = "the connection was closed";
  #flushTimer: NodeJS.Timeout | undefined;
  /** One for all writes: no closure for each. */
  readonly #onWritten = (): void => {
    if (!this.#isHigh || this.#isEnded || this.#socket.writableLength >= PIPE_LOW_WATER_BYTES) return;
    this.#isHigh = false;
    this.#receiver?.onDrain();
  };

  /** `input` for sockets that do not bring their bytes by events. */
  constructor(socket: Socket, properties: LinkProperties, encrypted: boolean, input: SocketInput = new AcceptedInput(socket)) {
    this.#socket = socket;
    this.#input = input;
    this.properties = properties;
    this.encrypted = encrypted;
    socket.on("error", (error) => {
      this.#reason = reasonOf(error);
    });
    socket.on("end", () => this.#onPeerEnd());
    socket.on("close", () => this.#onGone());
  }

  get receiver(): BytePipeReceiver | undefined {
    return this.#receiver;
  }

  set receiver(receiver: BytePipeReceiver | undefined) {
    const isFirst = this.#receiver === undefined;
    this.#receiver = receiver;
    if (!isFirst || receiver === undefined) return;
    // Reading starts only now, and from the event loop.
    if (this.#isGone) setImmediate(() => this.#tellEnd(this.#reason));
    else this.#input.start(this);
  }

  write(parts: readonly Uint8Array[]): void {
    if (this.#isEnded) return;
    const socket = this.#socket;
    // Corked, the parts go to the system in one call, and through TLS in as few records as they fill.
    socket.cork();
    for (const part of parts) {
      if (part.length === 0) continue;
      this.#writtenBytes += part.length;
      socket.write(part, this.#onWritten);
    }
    // Looked at before the system takes it, which it may do at once: whoever has written much waits for `onDrain` in any case.
    if (socket.writableLength >= PIPE_LOW_WATER_BYTES) this.#isHigh = true;
    socket.uncork();
  }

  get bufferedBytes(): number {
    return this.#isEnded ? 0 : this.#socket.writableLength;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#leave();
  }

  /** Bytes of the contents, without what TLS adds. Node tells nothing of the round-trip time. */
  stats(): { readonly rttMs: number | undefined; readonly bytesIn: number; readonly bytesOut: number } {
    return { rttMs: undefined, bytesIn: this.#bytesIn, bytesOut: this.#writtenBytes - this.#socket.writableLength };
  }

  // InputSink -------------------------------------------------------------------------------------------------------------

  arrived(): void {
    if (this.#isBatchOpen) return;
    this.#isBatchOpen = true;
    setImmediate(this.#endBatch);
  }

  take(data: Uint8Array, arrival: Arrival | undefined): void {
    this.#bytesIn += data.length;
    const onFirstBytes = this.onFirstBytes;
    if (onFirstBytes !== undefined) {
      this.onFirstBytes = undefined;
      if (!this.#isEnded) onFirstBytes();
    }
    if (!this.#isEnded) this.#receiver?.onData(data, arrival);
  }

  readonly #endBatch = (): void => {
    this.#isBatchOpen = false;
    this.#input.flush();
    if (!this.#isEnded) this.#receiver?.onBatchEnd?.();
  };

  /** Whoever has stopped sending is gone to us, also where it still reads: kwik has no use for half a connection. */
  #onPeerEnd(): void {
    this.#input.flush();
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#leave();
    this.#receiver?.onEnd("");
  }

  #leave(): void {
    const socket = this.#socket;
    if (this.#isGone) return;
    // Ends our direction. What still comes is read and dropped: closing with unread bytes makes the system send a reset, which overtakes
    // what was sent last.
    socket.end();
    this.#flushTimer = setTimeout(() => socket.destroy(), END_FLUSH_MS);
  }

  #onGone(): void {
    this.#isGone = true;
    clearTimeout(this.#flushTimer);
    this.#input.flush();
    if (this.#receiver !== undefined) this.#tellEnd(this.#reason);
  }

  #tellEnd(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#receiver?.onEnd(reason);
  }
}

const REASONS = new Map<string, string>([
  ["ECONNRESET", "the connection was reset"],
  ["EPIPE", "the connection was reset"],
  ["ECONNABORTED", "the connection was reset"],
  ["ETIMEDOUT", "the other side does not answer any more"],
  ["EHOSTUNREACH", "the other side cannot be reached any more"],
  ["ENETUNREACH", "the network is gone"],
  ["ENETDOWN", "the network is gone"],
]);

function reasonOf(error: NodeJS.ErrnoException): string {
  const code = error.code ?? "";
  if (code.startsWith("ERR_SSL")) return `what came was no valid TLS (${code})`;
  return REASONS.get(code) ?? error.message;
}
