import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { adoptMemory } from "@kwik/tls";
import { stopCodeOf, TunnelReset, type TunnelStream } from "@kwik/tunnel";
import { giveMemory, READ_MEMORY, takeMemory } from "./copy-memory.ts";

/** What of a tunnel is needed to join it with a socket. */
export type TunnelEnd = Pick<TunnelStream, "read" | "write" | "close" | "flushed" | "reset" | "stopReading" | "abort"> & {
  /** Something travels in the tunnel though the socket rests: the socket's silence means nothing then. Default: false. */
  readonly isBusy?: boolean;
  /** `write` keeps nothing of what it is given when it returns. Default: false, and each write is given memory of its own. */
  readonly copiesWrites?: boolean;
} & Partial<PollableEnd>;

/** A tunnel that is read without memory while it waits. Others bring their bytes by `read`. */
type PollableEnd = Pick<TunnelStream, "readNow" | "readReady">;

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
  /** Told whether the system has all that was written: when it has, or when the socket is closed. */
  #onAllWritten: ((isAll: boolean) => void) | undefined;

  constructor(socket: Socket, tunnel: TunnelEnd, options: SpliceOptions) {
    this.#socket = socket;
    this.#tunnel = tunnel;
    this.#options = options;
  }

  async run(): Promise<SpliceOutcome> {
    const socket = this.#socket;
    const onError = (error: Error): void => this.#break("socket-broken", error);
    socket.on("error", onError).on("timeout", this.#onTimeout).setTimeout(this.#options.idleTimeoutMs);
    watchWrites(socket, this.#onWritten, this.#onWriteFailed);
    if (socket.destroyed) this.#onClose();
    else {
      socket.on("end", this.#onEnd).on("close", this.#onClose).pause();
      // Not from within a read, as it may be now.
      setImmediate(this.#startReading);
    }
    await Promise.all([this.#socketDone.promise, this.#fromTunnel()]);
    await this.#lastWords;
    socket.setTimeout(0);
    socket.off("timeout", this.#onTimeout).off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onClose);
    // What is written has left with the end of the tunnel's direction; errors of the socket interest nobody any more.
    socket.destroySoon();
    return { end: this.#end, error: this.#error, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut };
  }

  readonly #startReading = (): void => {
    const socket = this.#socket;
    if (socket.destroyed) return;
    for (let data = socket.read() as Buffer | null; data !== null; data = socket.read() as Buffer | null) this.#onData(data);
    if (!adoptMemory(socket, READ_MEMORY, this.#onRead)) socket.on("data", this.#onData);
    if (!this.#isHeld) socket.resume();
  };

  /** Answers that more may be read; `pause` says when not. */
  readonly #onRead = (bytes: number): boolean => {
    const data = READ_MEMORY.subarray(0, bytes);
    this.#onData(this.#tunnel.copiesWrites === true ? data : Buffer.from(data));
    return true;
  };

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

  readonly #onWritten = (): void => {
    if (this.#onAllWritten !== undefined && this.#socket.writableLength === 0) this.#tellAllWritten(true);
  };

  #tellAllWritten(isAll: boolean): void {
    const tell = this.#onAllWritten;
    this.#onAllWritten = undefined;
    tell?.(isAll);
  }

  readonly #onClose = (): void => {
    this.#tellAllWritten(false);
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
      const tunnel = this.#tunnel;
      const isWhole = await (isPollable(tunnel) && keepsNoWrites(socket) ? this.#copyAll(tunnel) : this.#passAll());
      if (!isWhole) return;
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

  /** Answers whether the tunnel came to its end, and not the socket. */
  async #passAll(): Promise<boolean> {
    const socket = this.#socket;
    for (let data = await this.#tunnel.read(); data !== null; data = await this.#tunnel.read()) {
      if (socket.destroyed) return false;
      this.#bytesOut += data.length;
      if (!socket.write(data)) await drained(socket);
    }
    return true;
  }

  /** The same. The system mostly takes at once what is written, and the memory is free for the next. */
  async #copyAll(tunnel: PollableEnd): Promise<boolean> {
    const socket = this.#socket;
    for (;;) {
      await tunnel.readReady();
      if (socket.destroyed) return false;
      const memory = takeMemory();
      const bytes = tunnel.readNow(memory);
      if (bytes !== undefined && bytes > 0) {
        this.#bytesOut += bytes;
        socket.write(memory.subarray(0, bytes));
        // Where the socket is gone the system may still read it.
        if (socket.writableLength > 0 && !(await this.#allWritten())) return false;
      }
      giveMemory(memory);
      if (bytes === 0) return true;
    }
  }

  /** Resolves with false if the socket closed before. */
  #allWritten(): Promise<boolean> {
    if (this.#socket.destroyed) return Promise.resolve(false);
    return new Promise((resolve) => (this.#onAllWritten = resolve));
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

function isPollable(tunnel: TunnelEnd): tunnel is TunnelEnd & PollableEnd {
  return tunnel.readNow !== undefined && tunnel.readReady !== undefined;
}

/** A duplex stream that only looks like a socket may keep what it is given. */
function keepsNoWrites(socket: unknown): boolean {
  return socket instanceof Socket;
}

/** Tells of writes that were done, and of those that fail, which would otherwise destroy the socket before what it still brings was read. Nothing more is written then. */
function watchWrites(socket: Socket, onDone: () => void, onFailed: (error: Error) => void): void {
  const [write, writev] = [socket._write.bind(socket), socket._writev?.bind(socket)];
  const guarded = (done: (error?: Error | null) => void) => (error?: Error | null) => {
    if (error === undefined || error === null) {
      done();
      onDone();
    } else onFailed(error);
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
