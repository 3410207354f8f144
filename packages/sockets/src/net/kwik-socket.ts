import type { AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import { StreamError } from "@kwik/core";
import { type Attachment, SocketCode } from "./attachment.ts";
import { type ConnectArguments, readConnectArguments, routeOf } from "./connect-arguments.ts";
import type { Connector } from "./connector.ts";
import { beginsHttp2, Http2Frames } from "./http2-frames.ts";
import { IdleTimer } from "./idle-timer.ts";
import { brokenError, codedError, connectError, pipeError } from "./node-error.ts";
import type { Route } from "./route.ts";
import type { KwikSocketOptions } from "./socket-options.ts";

type Done = (error?: Error | null) => void;

/**
 * A socket over one stream of a session, with the methods, events and error codes of `net.Socket`. `end` ends a direction after all its bytes and calls
 * back when the other side has them. `destroy` without an error closes as TCP does: what was handed on arrives; with an error, or while writes still wait
 * here, it breaks off, and the other side gets ECONNRESET.
 */
export class KwikSocket extends Duplex {
  /** Whether `connect` was called and has not succeeded or failed yet. */
  connecting = false;
  readonly #connector: Connector;
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
  #writeDone: Done | undefined;
  #writingBytes = 0;
  #bytesRead = 0;
  #bytesTaken = 0;
  #inFrames: Http2Frames | undefined;
  #pieces: Buffer[] = [];
  #addresses: { local: AddressInfo | undefined; remote: AddressInfo | undefined } | undefined;

  constructor(connector: Connector, options: KwikSocketOptions = {}) {
    super({ allowHalfOpen: false, ...options, emitClose: false, autoDestroy: true });
    this.#connector = connector;
    if (!this.allowHalfOpen) this.once("end", this.#refuseWrites);
  }

  /** Takes a stream that is there already, for servers. Reads ahead at once, unless it begins paused. */
  adopt(attachment: Attachment, isPaused = false): this {
    this.#attachment = attachment;
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
    if (this.destroyed) this.#begin();
    if (listener !== undefined) this.once("connect", listener);
    if (options.timeout !== undefined) this.setTimeout(options.timeout);
    this.connecting = true;
    this.#open(route);
    return this;
  }

  /** Emits "timeout", and does no more, when nothing came or went for `timeoutMs`; 0 turns it off. */
  setTimeout(timeoutMs: number, listener?: () => void): this {
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
    return this.#bytesTaken + this.writableLength;
  }

  get bufferSize(): number {
    return this.writableLength;
  }

  /** Whether there is no connection yet. */
  get pending(): boolean {
    return this.#attachment === undefined;
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
    const attachment = this.#attachment;
    if (attachment === undefined) return this.#wait(() => this._write(chunk, _encoding, done), done);
    this.#idle.refresh();
    if (this.#bytesTaken === 0 && this.#bytesRead === 0 && beginsHttp2(chunk)) this.#inFrames = new Http2Frames(false);
    this.#writeDone = done;
    this.#writingBytes = chunk.length;
    attachment.stream.write(chunk).then(this.#onWritten, this.#onWriteFailed);
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
      done(this.#hasEnded || isStopOf(error, SocketCode.closed) ? null : brokenError(error, "write"));
    attachment.stream.close().then(() => done(), failed);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#idle.set(0);
    this.connecting = false;
    this.#connectAbort?.abort();
    for (const { fail } of this.#waiting.splice(0)) {
      fail(error ?? codedError(new Error("Socket closed before the connection was established"), "ERR_SOCKET_CLOSED_BEFORE_CONNECTION"));
    }
    if (this.#attachment !== undefined) this.#leave(this.#attachment, error);
    done(error);
    process.nextTick(() => this.emit("close", error !== null));
  }

  #leave({ stream, release }: Attachment, error: Error | null): void {
    const lostBytes = this.writableLength - this.#writingBytes;
    const isWhole = error === null && !this.#isReset && lostBytes === 0;
    if (isWhole || this.writableFinished) stream.close().catch(() => undefined);
    else stream.reset(SocketCode.reset);
    if (!this.#hasEnded) stream.stopReading(isWhole ? SocketCode.closed : SocketCode.reset);
    release();
  }

  #wait(run: () => void, fail: Done): void {
    if (this.connecting) this.#waiting.push({ run, fail });
    else fail(codedError(new Error("Socket is closed"), "ERR_SOCKET_CLOSED"));
  }

  /** A socket may be used again once it is closed. */
  #begin(): void {
    (this as unknown as { _undestroy(): void })._undestroy();
    this.#attachment = undefined;
    this.#addresses = undefined;
    this.#isReading = false;
    this.#hasEnded = false;
    this.#isReset = false;
    this.#bytesRead = 0;
    this.#bytesTaken = 0;
    this.#inFrames = undefined;
    this.#pieces = [];
    if (!this.allowHalfOpen) {
      this.write = (...args: unknown[]): boolean => super.write(...(args as [unknown, BufferEncoding, Done]));
      this.once("end", this.#refuseWrites);
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

  #attach(attachment: Attachment): void {
    this.#attachment = attachment;
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
      this.push(null);
      this.read(0);
      return;
    }
    this.#idle.refresh();
    if (this.#bytesRead === 0 && this.#bytesTaken === 0 && beginsHttp2(data)) this.#inFrames = new Http2Frames(true);
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

  readonly #onWritten = (): void => {
    this.#idle.refresh();
    this.#bytesTaken += this.#writingBytes;
    this.#endWrite(null);
  };

  readonly #onWriteFailed = (error: unknown): void => {
    this.#endWrite(isStopOf(error, SocketCode.closed) ? pipeError(error) : brokenError(error, "write"));
  };

  #endWrite(error: Error | null): void {
    const done = this.#writeDone;
    this.#writeDone = undefined;
    this.#writingBytes = 0;
    done?.(error);
  }

  /** As `net`: who writes after the end that the other side began gets EPIPE, not what a stream says after its own end. */
  readonly #refuseWrites = (): void => {
    this.write = (chunk: unknown, ...rest: unknown[]): boolean => {
      const done = rest.at(-1);
      if (!this.writableEnded) return super.write(chunk, ...(rest as [BufferEncoding]));
      const error = codedError(new Error("This socket has been ended by the other party"), "EPIPE");
      if (typeof done === "function") process.nextTick(done, error);
      this.destroy(error);
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

function isStopOf(error: unknown, code: number): boolean {
  return error instanceof StreamError && error.remote && error.code === "APPLICATION" && error.errorCode === code;
}
