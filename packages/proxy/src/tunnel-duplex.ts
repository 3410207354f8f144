import { SocketLike } from "@kwik/splice";
import { stopCodeOf, type Tunnel, TunnelReset } from "@kwik/tunnel";

/** What a target may still send after its answer was complete, and how long it may take to end. */
const MAX_LINGER_BYTES = 64 * 1024;
const LINGER_MS = 1_000;

/** A tunnel as a duplex stream of Node, for what wants a socket. */
export class TunnelDuplex extends SocketLike {
  readonly #tunnel: Tunnel;
  #isStopped = false;

  constructor(tunnel: Tunnel) {
    super();
    this.#tunnel = tunnel;
  }

  override _read(): void {
    this.#tunnel.read().then(
      (data) => this.push(data),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#isStopped) return callback();
    this.#tunnel.write(chunk).then(
      () => callback(),
      (error: unknown) => callback(this.#failureOf(error)),
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#isStopped) return callback();
    this.#tunnel.close().then(
      () => callback(),
      (error: unknown) => callback(this.#failureOf(error)),
    );
  }

  /** A target that reads no more may have answered: what it sent is still to be read, and what is written is passed over. */
  #failureOf(error: unknown): Error | null {
    this.#isStopped ||= stopCodeOf(error) !== undefined;
    return this.#isStopped ? null : (error as Error);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (error === null && this.writableFinished) void this.#linger();
    else this.#tunnel.abort(TunnelReset.cancelled);
    callback(error);
  }

  /** A target that has answered ends its side by itself: nothing has to be broken off. */
  async #linger(): Promise<void> {
    const timer = setTimeout(() => this.#tunnel.abort(TunnelReset.cancelled), LINGER_MS);
    try {
      let bytes = 0;
      for (let data = await this.#tunnel.read(); data !== null; data = await this.#tunnel.read()) {
        bytes += data.length;
        if (bytes > MAX_LINGER_BYTES) this.#tunnel.abort(TunnelReset.cancelled);
      }
    } catch {
      // It is over.
    } finally {
      clearTimeout(timer);
    }
  }
}
