import type { Socket } from "node:net";
import { TunnelReset, type TunnelStream } from "@kwik/tunnel";

/** What of a tunnel is needed to join it with a socket. */
export type TunnelEnd = Pick<TunnelStream, "read" | "write" | "close" | "abort">;

export interface SpliceOptions {
  /** Both directions end when nothing moved for so long, in milliseconds. 0: never. */
  readonly idleTimeoutMs: number;
  /** The same once one direction has ended, in milliseconds. 0: as `idleTimeoutMs`. */
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

/**
 * Copies between a connected socket (made with `allowHalfOpen`) and a tunnel until both directions have ended, or one breaks off and takes the other with it.
 * Half-close is kept, and each side waits for the other: at most one chunk of the socket, and its own buffer, are held here. Never rejects.
 */
export async function splice(socket: Socket, tunnel: TunnelEnd, options: SpliceOptions): Promise<SpliceOutcome> {
  const join = new Splice(socket, tunnel, options);
  return join.run();
}

class Splice {
  readonly #socket: Socket;
  readonly #tunnel: TunnelEnd;
  readonly #options: SpliceOptions;
  #bytesIn = 0;
  #bytesOut = 0;
  #end: SpliceEnd = "closed";
  #error: unknown;

  constructor(socket: Socket, tunnel: TunnelEnd, options: SpliceOptions) {
    this.#socket = socket;
    this.#tunnel = tunnel;
    this.#options = options;
  }

  async run(): Promise<SpliceOutcome> {
    const socket = this.#socket;
    const onError = (error: Error): void => this.#break("socket-broken", error);
    const onTimeout = (): void => this.#break("idle", undefined);
    socket.on("error", onError).on("timeout", onTimeout).setTimeout(this.#options.idleTimeoutMs);
    try {
      await Promise.all([this.#fromSocket(), this.#fromTunnel()]);
    } finally {
      socket.setTimeout(0);
      socket.off("timeout", onTimeout);
      // What is written has left with the end of the tunnel's direction; errors of the socket interest nobody any more.
      socket.destroySoon();
    }
    return { end: this.#end, error: this.#error, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut };
  }

  /** Resolves when the other side has the end of this direction, or all is over. */
  #fromSocket(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off("data", onData).off("end", onEnd).off("close", onClose);
        resolve();
      };
      const fail = (error: unknown): void => {
        this.#break("tunnel-broken", error);
        done();
      };
      const goOn = (): void => void socket.resume();
      const onData = (chunk: Uint8Array): void => {
        this.#bytesIn += chunk.length;
        socket.pause();
        this.#tunnel.write(chunk).then(goOn, fail);
      };
      const onEnd = (): void => {
        this.#halfClosed();
        this.#tunnel.close().then(done, fail);
      };
      const onClose = (): void => {
        if (!socket.readableEnded) this.#break("socket-broken", undefined);
        done();
      };
      if (socket.destroyed) return onClose();
      socket.on("data", onData).on("end", onEnd).on("close", onClose);
      socket.resume();
    });
  }

  async #fromTunnel(): Promise<void> {
    const socket = this.#socket;
    try {
      for (let data = await this.#tunnel.read(); data !== null; data = await this.#tunnel.read()) {
        if (socket.destroyed) return;
        this.#bytesOut += data.length;
        if (!socket.write(data)) await drained(socket);
      }
    } catch (error) {
      this.#break("tunnel-broken", error);
      return;
    }
    this.#halfClosed();
    await new Promise<void>((resolve) => {
      if (socket.destroyed) return resolve();
      socket.once("close", resolve);
      socket.end(resolve);
    });
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
    this.#tunnel.abort(end === "idle" ? TunnelReset.idle : end === "socket-broken" ? TunnelReset.broken : TunnelReset.cancelled);
    breakOff(this.#socket);
  }
}

/** The other side sees a reset, not an end, as far as its kind of socket has one. */
function breakOff(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.remoteFamily === undefined) socket.destroy();
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
