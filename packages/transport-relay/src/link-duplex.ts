import { Duplex } from "node:stream";
import { type Tunnel, TunnelReset } from "@kwik/tunnel";

/** The stream of a link through a relay, for what wants a socket. */
export class LinkDuplex extends Duplex {
  readonly #tunnel: Tunnel;

  constructor(tunnel: Tunnel) {
    super({ allowHalfOpen: true });
    this.#tunnel = tunnel;
    // TLS over it tells what goes wrong; what comes before and after that is of no interest, and must not end the process.
    this.on("error", () => undefined);
  }

  override _read(): void {
    this.#tunnel.read().then(
      (data) => this.push(data),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#tunnel.write(chunk).then(() => callback(), callback);
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    // All of them leave in one turn.
    Promise.all(chunks.map(({ chunk }) => this.#tunnel.write(chunk))).then(() => callback(), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#tunnel.close().then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // Does nothing to what has ended by itself.
    this.#tunnel.abort(TunnelReset.cancelled);
    callback(error);
  }
}
