import type { Socket } from "node:net";
import type { InputSink, SocketInput } from "./socket-input.ts";

/** Gathered at most, in bytes. */
const MAX_GATHERED_BYTES = 64 * 1024;

/**
 * What a socket brings by its `data` events. Node puts several TLS records into one buffer; views that lie there one behind the other are handed on
 * as one.
 */
export class ReadEvents implements SocketInput {
  readonly #socket: Socket;
  #sink: InputSink | undefined;
  #gathered: Uint8Array | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(sink: InputSink): void {
    this.#sink = sink;
    this.#socket.on("data", (data: Uint8Array) => this.#onData(data, sink));
  }

  flush(): void {
    const gathered = this.#gathered;
    this.#gathered = undefined;
    // Node's buffers are not ours to empty: other sockets read into them too.
    if (gathered !== undefined) this.#sink?.take(gathered, undefined);
  }

  #onData(data: Uint8Array, sink: InputSink): void {
    sink.arrived();
    const before = this.#gathered;
    if (before !== undefined && follows(before, data) && before.length + data.length <= MAX_GATHERED_BYTES) {
      this.#gathered = new Uint8Array(before.buffer, before.byteOffset, before.length + data.length);
      return;
    }
    this.flush();
    this.#gathered = data;
  }
}

function follows(before: Uint8Array, next: Uint8Array): boolean {
  return next.buffer === before.buffer && next.byteOffset === before.byteOffset + before.length;
}
