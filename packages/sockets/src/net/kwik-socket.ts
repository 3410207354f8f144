import type { AddressInfo } from "node:net";
import { addAbortSignal, Duplex } from "node:stream";
import { stopCodeOf } from "@kwik/tunnel";
import { checkCallback, checkMilliseconds } from "./argument-errors.ts";
import { type Attachment, SocketCode } from "./attachment.ts";
import { type ConnectArguments, readConnectArguments, routeOf } from "./connect-arguments.ts";
import type { Connector } from "./connector.ts";
import { Http2Frames, Http2Preface, PREFACE_BYTES } from "./http2-frames.ts";
import { IdleTimer } from "./idle-timer.ts";
import { OutgoingBytes } from "./outgoing-bytes.ts";
import { brokenError, codedError, connectError, pipeError } from "./node-error.ts";
import type { Route } from "./route.ts";
import { type KwikSocketOptions, socketOptionsOf } from "./socket-options.ts";

type Done = (error?: Error | null) => void;

/**
 * A socket over one stream of a session, with the methods, events and error codes of `net.Socket`. `end` ends a direction after all its bytes and calls
 * back when the other side has them. `destroy` closes as TCP does: what was handed on arrives; while writes still wait here it breaks off, and the other side gets
 * ECONNRESET.
 */
export class KwikSocket extends Duplex {
  /** Whether `connect` was called and has not succeeded or failed yet. */
  connecting = false;
  readonly #connector: Connector;
  readonly #signal: AbortSignal | undefined;
  readonly #idle = new IdleTimer(() => this.emit("timeout"));
  #connectAbort: AbortController | undefined;
  #attachment: Attachment | undefined;
  /** What waits for the connection, and its error if that never comes. */
  #waiting: { run: () => void; fail: Done }[] = [];
  #isReading = false;
  #wantsRead = false;
  /** Whether the other side's direction came to its end. */
  #hasEnded = false;
  #isReset = false;
  #outgoing: OutgoingBytes | undefined;
  /** To be told if the write that waits fails. */
  #writeDone: Done | undefined;
  #bytesRead = 0;
  #outPreface = new Http2Preface();
  #inPreface = new Http2Preface();
  #inFrames: Http2Frames | undefined;
  #pieces: Buffer[] = [];
  #isReleased = false;
  /** Released, and whoever heard of it in the same turn has had that turn: a socket of `net` is destroyed by then. */
  #isOver = false;
  #addresses: { local: AddressInfo | undefined; remote: AddressInfo | undefined } | undefined;

  constructor(connector: Connector, options: KwikSocketOptions = {}) {
    const { signal, ...streamOptions } = socketOptionsOf(options);
    super({ ...streamOptions, emitClose: false, autoDestroy: true });
    this.#connector = connector;
    this.#signal = signal;
    if (signal !== undefined) addAbortSignal(signal, this);
    if (!this.allowHalfOpen) this.once("end", this.#refuseWrites);
  }

  /** Takes a stream that is there already, for servers. Reads ahead at once, unless it begins paused. */
  adopt(attachment: Attachment, isPaused = false): this {
    this.#take(attachment);
    if (isPaused) this.pause();
    else this.read(0);
    return this;
  }

  /**
   * Connects; what is written meanwhile waits. Emits "connect" and "ready", or "error" and "close". Throws as `net.connect` for arguments that are none.
   */
  connect(...args: ConnectArguments): this {
    const { options, listener } = readConnectArguments(args);
    const route = routeOf(options);
    if (this.#signal?.aborted === true) return this;
    if (this.destroyed) this.#begin();
    if (listener !== undefined) this.once("connect", listener);
    if (options.timeout !== undefined) this.setTimeout(options.timeout);
    this.connecting = true;
    this.#open(route);
    return this;
  }

  /** Emits "timeout", and does no more, when nothing came or went for `timeoutMs`; 0 turns it off. Throws as `net` for what is no time. */
  setTimeout(timeoutMs: number, listener?: () => void): this {
    if (this.destroyed) return this;
    checkMilliseconds("msecs", timeoutMs);
    if (listener !== undefined) checkCallback("callback", listener);
    this.#idle.set(timeoutMs);
    if (listener !== undefined) {
      if (timeoutMs === 0) this.removeListener("timeout", listener);
      else this.once("timeout", listener);
    }
    return this;
  }

  get timeout(): number | undefined {
    return this.#idle.timeoutMs;
  }

  /** Does nothing: small writes of one turn leave together, at once. */
  setNoDelay(_isNoDelay?: boolean): this {
    return this;
  }

  /** Does nothing: the session probes its own paths. */
  setKeepAlive(_isEnabled?: boolean, _initialDelayMs?: number): this {
    return this;
  }

  /** Does nothing: the session keeps the process running, until IDLE_SESSION_MS after its last socket. */
  ref(): this {
    return this;
  }

  /** As `ref`. */
  unref(): this {
    return this;
  }

  /** Destroys the socket after everything that was written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  /** Breaks the connection off; the other side gets ECONNRESET. */
  resetAndDestroy(): this {
    if (this.connecting) {
      this.once("connect", () => this.resetAndDestroy());
      return this;
    }
    if (this.#attachment === undefined) return this.destroy(codedError(new Error("Socket is closed"), "ERR_SOCKET_CLOSED"));
    this.#isReset = true;
    return this.destroy();
  }

  /** Bytes that came. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes that were written, those that still wait here included. */
  get bytesWritten(): number {
    const { total = 0, handedOn = 0 } = this.#outgoing ?? {};
    return total + this.writableLength - handedOn;
  }

  get bufferSize(): number {
    return this.writableLength;
  }

  /** Whether there is no connection yet. */
  get pending(): boolean {
    return this.#attachment === undefined || this.destroyed;
  }

  get readyState(): "opening" | "open" | "readOnly" | "writeOnly" | "closed" {
    if (this.connecting) return "opening";
    if (this.readable) return this.writable ? "open" : "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  /** This side's address: of a server's socket where it listens, through a gateway the gateway's; empty where it is not known. */
  address(): AddressInfo | Record<string, never> {
    return this.#whereabouts().local ?? {};
  }

  get localAddress(): string | undefined {
    return this.#whereabouts().local?.address;
  }

  get localPort(): number | undefined {
    return this.#whereabouts().local?.port;
  }

  get localFamily(): string | undefined {
    return this.#whereabouts().local?.family;
  }

  /** The other side's address, as it was dialled: a name if it was dialled by name. Through a gateway the target's. */
  get remoteAddress(): string | undefined {
    return this.#whereabouts().remote?.address;
  }

  get remotePort(): number | undefined {
    return this.#whereabouts().remote?.port;
  }

  get remoteFamily(): string | undefined {
    return this.#whereabouts().remote?.family;
  }

  override _read(): void {
    if (this.#attachment === undefined) this.#wantsRead = true;
    else if (!this.#isReading) this.#readOn(this.#attachment);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    const outgoing = this.#outgoing;
    if (outgoing === undefined) return this.#wait(() => this._write(chunk, _encoding, done), done);
    this.#idle.refresh();
    if (this.#outPreface.next(chunk) !== undefined) this.#inFrames = new Http2Frames(0);
    this.#writeDone = done;
    outgoing.write(chunk, this.#onWritten);
  }

  override _final(done: Done): void {
    const attachment = this.#attachment;
    if (attachment === undefined) {
      if (this.connecting) this.#wait(() => this._final(done), done);
      else done();
      return;
    }
    // Whoever stopped reading, or has ended its own direction as well, does not miss the end: programs of TCP hear of nothing then.
    const failed = (error: unknown): void =>
      done(this.#hasEnded || stopCodeOf(error) === SocketCode.closed ? null : brokenError(error, "write"));
    attachment.stream.close().then(() => done(), failed);
    if (this.#hasEnded) this.#release(attachment);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#idle.stop();
    this.connecting = false;
    this.#connectAbort?.abort();
    for (const { fail } of this.#waiting.splice(0)) {
      fail(error ?? codedError(new Error("Socket closed before the connection was established"), "ERR_SOCKET_CLOSED_BEFORE_CONNECTION"));
    }
    if (this.#attachment !== undefined) this.#leave(this.#attachment);
    done(error);
    process.nextTick(() => this.emit("close", error !== null));
  }

  #leave(attachment: Attachment): void {
    const { stream } = attachment;
    this.#outgoing?.stop();
    const isWhole = !this.#isReset && this.writableLength === (this.#outgoing?.handedOn ?? 0);
    if (isWhole || this.writableFinished) stream.close().catch(() => undefined);
    else stream.reset(SocketCode.reset);
    if (!this.#hasEnded) stream.stopReading(isWhole ? SocketCode.closed : SocketCode.reset);
    this.#endWrite(codedError(new Error("The socket was closed before the write was done"), "ECANCELED"));
    this.#release(attachment);
  }

  /** Both directions have ended, as far as it is for this side to say. What is under way is the session's. */
  #release(attachment: Attachment): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    attachment.release();
    setImmediate(() => (this.#isOver = true));
  }

  #wait(run: () => void, fail: Done): void {
    if (this.connecting) this.#waiting.push({ run, fail });
    else fail(codedError(new Error("Socket is closed"), "ERR_SOCKET_CLOSED"));
  }

  /** A socket may be used again once it is closed. */
  #begin(): void {
    (this as unknown as { _undestroy(): void })._undestroy();
    this.#attachment = undefined;
    this.#outgoing = undefined;
    this.#addresses = undefined;
    this.#isReading = false;
    this.#hasEnded = false;
    this.#isReset = false;
    this.#isReleased = false;
    this.#isOver = false;
    this.#bytesRead = 0;
    this.#outPreface = new Http2Preface();
    this.#inPreface = new Http2Preface();
    this.#inFrames = undefined;
    this.#pieces = [];
    if (!this.allowHalfOpen) {
      this.write = (...args: unknown[]): boolean => super.write(...(args as [unknown, BufferEncoding, Done]));
      this.off("end", this.#refuseWrites).once("end", this.#refuseWrites);
    }
  }

  #open(route: Route): void {
    const abort = new AbortController();
    this.#connectAbort = abort;
    this.#connector(route, abort.signal).then(
      (attachment) => {
        if (!abort.signal.aborted) return this.#attach(attachment);
        attachment.stream.reset(SocketCode.reset);
        attachment.stream.stopReading(SocketCode.reset);
        attachment.release();
      },
      (error: unknown) => {
        if (!abort.signal.aborted) this.destroy(connectError(error, route));
      },
    );
  }

  #take(attachment: Attachment): void {
    this.#attachment = attachment;
    this.#outgoing = new OutgoingBytes(attachment.stream, { onTaken: () => this.#idle.refresh(), onFailed: this.#onWriteFailed });
  }

  #attach(attachment: Attachment): void {
    this.#take(attachment);
    this.#connectAbort = undefined;
    this.connecting = false;
    this.#idle.refresh();
    // Out of the promise: an error that a listener throws is the program's, not a rejection.
    process.nextTick(() => {
      if (this.destroyed) return;
      this.emit("connect");
      this.emit("ready");
      for (const { run } of this.#waiting.splice(0)) run();
      if (this.#wantsRead) this._read();
      // An end is noticed even if nobody reads.
      else if (!this.isPaused()) this.read(0);
    });
  }

  #readOn({ stream }: Attachment): void {
    this.#isReading = true;
    this.#wantsRead = false;
    stream.read().then(this.#onData, this.#onReadFailed);
  }

  readonly #onData = (data: Uint8Array | null): void => {
    if (this.destroyed) return;
    if (data === null) {
      this.#hasEnded = true;
      if (this.writableEnded && this.writableLength === 0) this.#release(this.#attachment as Attachment);
      this.push(null);
      this.read(0);
      return;
    }
    this.#idle.refresh();
    const before = this.#inPreface.next(data);
    if (before !== undefined) this.#inFrames = new Http2Frames(PREFACE_BYTES - before);
    this.#bytesRead += data.length;
    const view = Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.length);
    if (this.#inFrames === undefined) {
      this.#isReading = false;
      this.push(view);
      return;
    }
    this.#pieces = this.#inFrames.split(view).reverse();
    setImmediate(this.#deliverPiece);
  };

  /** One piece in a turn of the event loop, so that what it says is told before the next one comes. */
  readonly #deliverPiece = (): void => {
    if (this.destroyed) return;
    const piece = this.#pieces.pop();
    if (this.#pieces.length > 0) setImmediate(this.#deliverPiece);
    else this.#isReading = false;
    this.push(piece);
  };

  readonly #onReadFailed = (error: unknown): void => {
    if (!this.destroyed) this.destroy(brokenError(error, "read"));
  };

  readonly #onWritten = (): void => this.#endWrite(null);

  readonly #onWriteFailed = (cause: unknown): void => {
    const error = stopCodeOf(cause) === SocketCode.closed ? pipeError(cause) : brokenError(cause, "write");
    if (this.#writeDone === undefined && !this.destroyed) this.destroy(error);
    else this.#endWrite(error);
  };

  #endWrite(error: Error | null): void {
    const done = this.#writeDone;
    this.#writeDone = undefined;
    done?.(error);
  }

  /** As `net`: who writes after the end that the other side began gets EPIPE, not what a stream says after its own end. */
  readonly #refuseWrites = (): void => {
    this.write = (chunk: unknown, ...rest: unknown[]): boolean => {
      const done = rest.at(-1);
      if (!this.writableEnded) return super.write(chunk, ...(rest as [BufferEncoding]));
      const error = this.#isOver
        ? codedError(new Error("Cannot call write after a stream was destroyed"), "ERR_STREAM_DESTROYED")
        : codedError(new Error("This socket has been ended by the other party"), "EPIPE");
      if (typeof done === "function") process.nextTick(done, error);
      if (!this.#isOver) this.destroy(error);
      return false;
    };
  };

  /** The addresses; kept once they are known, as long as the socket lives. */
  #whereabouts(): { local: AddressInfo | undefined; remote: AddressInfo | undefined } {
    if (this.#addresses !== undefined) return this.#addresses;
    if (this.#attachment === undefined || this.destroyed) return { local: undefined, remote: undefined };
    return (this.#addresses = { local: this.#attachment.local(), remote: this.#attachment.remote() });
  }
}
