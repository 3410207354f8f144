import type { Socket } from "node:net";
import { adoptSlab } from "./adopt-slab.ts";
import { ReadEvents } from "./read-events.ts";
import type { InputSink, SocketInput } from "./socket-input.ts";

/** What brings the bytes of a socket that a server accepted: a slab if that can be, or else its events. */
export class AcceptedInput implements SocketInput {
  readonly #socket: Socket;
  #input: SocketInput | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(sink: InputSink): void {
    setImmediate(() => {
      const socket = this.#socket;
      if (socket.destroyed) return;
      // What was read already.
      for (let data = socket.read() as Buffer | null; data !== null; data = socket.read() as Buffer | null) {
        sink.arrived();
        sink.take(data, undefined);
      }
      const input = adoptSlab(socket) ?? new ReadEvents(socket);
      this.#input = input;
      input.start(sink);
    });
  }

  flush(): void {
    this.#input?.flush();
  }
}
