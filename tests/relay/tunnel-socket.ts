import { Duplex } from "node:stream";
import type { TunnelStream } from "@kwik/tunnel";

/** The relay's end of a tunnel as a stream of Node, for a relay that wants to be the home. */
export class TunnelSocket extends Duplex {
  readonly #tunnel: Pick<TunnelStream, "read" | "write" | "abort">;

  constructor(tunnel: Pick<TunnelStream, "read" | "write" | "abort">) {
    super();
    this.#tunnel = tunnel;
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

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#tunnel.abort(0);
    callback(error);
  }
}
