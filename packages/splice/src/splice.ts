import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { stopCodeOf, TunnelReset, type TunnelStream } from "@kwik/tunnel";

/** What of a tunnel is needed to join it with a socket. */
export type TunnelEnd = Pick<TunnelStream, "read" | "write" | "close" | "flushed" | "reset" | "stopReading" | "abort"> & {
  /** Something travels in the tunnel though the socket rests: the socket's silence means nothing then. Default: false. */
  readonly isBusy?: boolean;
};

export interface SpliceOptions {
  /** Both directions end when nothing moved for so long, in milliseconds. 0: never. */
  readonly idleTimeoutMs: number;
  /** The same once one direction has ended and the other side has all of it, in milliseconds. 0: as `idleTimeoutMs`. */
  readonly halfCloseTimeoutMs: number;
}

/** "closed": both directions ended by themselves. Else what broke off first. */
export type SpliceEnd = "closed" | "socket-broken" | "tunnel-broken" | "idle";

export interface SpliceOutcome {
  readonly end: SpliceEnd;
  /** What broke off, where something did. */
  readonly error: unknown;
  /** From the socket into the tunnel. */
  readonly bytesIn: number;
  /** From the tunnel to the socket. */
  readonly bytesOut: number;
}

/** Reads of a socket that the tunnel has not taken yet, at most; each has 64 KiB at most. */
const MAX_UNTAKEN_READS = 4;
/** How long what a socket brought before it broke off may take to arrive, before the other side is told that it did, in milliseconds. */
const FLUSH_MS = 5_000;
/** How long a socket whose bytes nobody wants any more may go on sending after it was told the end, in milliseconds: closed at once, it would lose what it has not read. */
const LINGER_MS = 5_000;

/**
 * Copies between a connected socket (made with `allowHalfOpen`) and a tunnel until both directions have ended, or one breaks off and takes the other with it.
 * Half-close is kept, and each side waits for the other: at most 256 KiB of the socket, and its own buffer, are held here. A side that stops reading still gets its
 * answer across: what the socket sends then is passed over. Never rejects. spec: TUN-6
 */
export async function splice(socket: Socket, tunnel: TunnelEnd, options: SpliceOptions): Promise<SpliceOutcome> {
  const join = new Splice(socket, tunnel, options);
  return join.run();
}

class Splice {
  readonly #socket: Socket;
  readonly #tunnel: TunnelEnd;
  readonly #options: SpliceOptions;
  readonly #socketDone = Promise.withResolvers<void>();
  #untaken = 0;
  #isHeld = false;
  /** The other side reads no more. */
  #isStopped = false;
  /** The socket's direction came to its end, and is whole. */
  #hasEnded = false;
  /** Why the socket takes no more, though it may still bring something. */
  #writeError: Error | undefined;
  #bytesIn = 0;
  #bytesOut = 0;
  #end: SpliceEnd = "closed";
  #error: unknown;
  #lastWords: Promise<void> | undefined;

  constructor(socket: Socket, tunnel: TunnelEnd, options: SpliceOptions) {
    this.#socket = socket;
    this.#tunnel = tunnel;
    this.#options = options;
  }

  async run(): Promise<SpliceOutcome> {
    const socket = this.#socket;
    const onError = (error: Error): void => this.#break("socket-broken", error);
    socket.on("error", onError).on("timeout", this.#onTimeout).setTimeout(this.#options.idleTimeoutMs);
    catchWriteErrors(socket, this.#onWriteFailed);
    if (socket.destroyed) this.#onClose();
    else {
      socket.on("data", this.#onData).on("end", this.#onEnd).on("close", this.#onClose);
      socket.resume();
    }
    await Promise.all([this.#socketDone.promise, this.#fromTunnel()]);
    await this.#lastWords;
    socket.setTimeout(0);
    socket.off("timeout", this.#onTimeout).off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onClose);
    // What is written has left with the end of the tunnel's direction; errors of the socket interest nobody any more.
    socket.destroySoon();
    return { end: this.#end, error: this.#error, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut };
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#isStopped) return;
    this.#bytesIn += chunk.length;
    this.#untaken += 1;
    if (this.#untaken === MAX_UNTAKEN_READS) {
      this.#isHeld = true;
      this.#socket.pause();
    }
    this.#tunnel.write(chunk).then(this.#onTaken, this.#onRefused);
  };

  readonly #onTaken = (): void => {
    this.#untaken -= 1;
    if (this.#isHeld && this.#untaken < MAX_UNTAKEN_READS) this.#goOn();
  };

  /** A tunnel that takes no more may have an answer on its way: only one that breaks off ends both. */
  readonly #onRefused = (error: unknown): void => {
    if (stopCodeOf(error) !== undefined) {
      this.#isStopped = true;
      this.#goOn();
    } else this.#break("tunnel-broken", error);
  };

  #goOn(): void {
    this.#isHeld = false;
    this.#socket.resume();
  }

  readonly #onEnd = (): void => {
    const { promise: _, resolve } = this.#socketDone;
    if (this.#isStopped) return resolve();
    // The write has taken the error with it that would have come here.
    if (this.#writeError !== undefined) return this.#break("socket-broken", this.#writeError);
    this.#hasEnded = true;
    this.#tunnel.close().then(
      () => {
        this.#halfClosed();
        resolve();
      },
      (error: unknown) => {
        if (stopCodeOf(error) === undefined) this.#break("tunnel-broken", error);
        resolve();
      },
    );
  };

  readonly #onClose = (): void => {
    if (this.#hasEnded) return;
    if (!this.#isStopped) this.#break("socket-broken", undefined);
    this.#socketDone.resolve();
  };

  /** A target that answers and closes without reading on is no less heard for it: what it sent is there to be read. */
  readonly #onWriteFailed = (error: Error): void => {
    if (this.#writeError !== undefined || this.#socket.destroyed) return;
    this.#writeError = error;
    if (this.#hasEnded || this.#isStopped) return this.#break("socket-broken", error);
    this.#tunnel.stopReading(TunnelReset.broken);
    this.#socket.setTimeout(LINGER_MS);
    this.#goOn();
  };

  readonly #onTimeout = (): void => {
    if (this.#tunnel.isBusy === true) this.#socket.setTimeout(this.#options.idleTimeoutMs);
    else if (this.#isStopped && this.#socket.writableFinished) this.#socket.destroy();
    else if (this.#writeError !== undefined) this.#break("socket-broken", this.#writeError);
    else this.#break("idle", undefined);
  };

  async #fromTunnel(): Promise<void> {
    const socket = this.#socket;
    try {
      for (let data = await this.#tunnel.read(); data !== null; data = await this.#tunnel.read()) {
        if (socket.destroyed) return;
        this.#bytesOut += data.length;
        if (!socket.write(data)) await drained(socket);
      }
    } catch (error) {
      if (this.#writeError === undefined) this.#break("tunnel-broken", error);
      return;
    }
    await new Promise<void>((resolve) => {
      if (socket.destroyed) return resolve();
      socket.once("close", resolve);
      socket.end(resolve);
    });
    if (this.#isStopped && !socket.destroyed) socket.setTimeout(LINGER_MS);
    else this.#halfClosed();
  }

  #halfClosed(): void {
    const { halfCloseTimeoutMs } = this.#options;
    if (halfCloseTimeoutMs > 0 && !this.#socket.destroyed) this.#socket.setTimeout(halfCloseTimeoutMs);
  }

  /** The first that breaks off says why. */
  #break(end: Exclude<SpliceEnd, "closed">, error: unknown): void {
    if (this.#end !== "closed") return;
    this.#end = end;
    this.#error = error;
    if (end === "socket-broken") {
      this.#tunnel.stopReading(TunnelReset.broken);
      // What the socket sent before its own end is whole. What came before it broke off arrives first, as with TCP.
      if (!this.#hasEnded) this.#lastWords = this.#resetAfterAll();
    } else this.#tunnel.abort(end === "idle" ? TunnelReset.idle : TunnelReset.cancelled);
    breakOff(this.#socket);
  }

  async #resetAfterAll(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, FLUSH_MS)));
    await Promise.race([this.#tunnel.flushed().catch(() => undefined), late]);
    clearTimeout(timer);
    this.#tunnel.reset(TunnelReset.broken);
  }
}

/** Tells of writes that fail, which would otherwise destroy the socket before what it still brings was read. Nothing more is written then. */
function catchWriteErrors(socket: Socket, onFailed: (error: Error) => void): void {
  const [write, writev] = [socket._write.bind(socket), socket._writev?.bind(socket)];
  const guarded = (done: (error?: Error | null) => void) => (error?: Error | null) => {
    if (error === undefined || error === null) done();
    else onFailed(error);
  };
  socket._write = (chunk, encoding, done) => write(chunk, encoding, guarded(done));
  if (writev !== undefined) socket._writev = (chunks, done) => writev(chunks, guarded(done));
}

/** The other side sees a reset, not an end, as far as its kind of socket has one. */
function breakOff(socket: Socket): void {
  if (socket.destroyed) return;
  // All has left but the end, which is true. A reset would be refused until that has left too, and Node would never say that the socket is closed.
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (socket.remoteFamily === undefined || socket instanceof TLSSocket || isEnding) socket.destroy();
  else socket.resetAndDestroy();
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}
