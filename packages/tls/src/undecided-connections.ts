import type { Socket } from "node:net";
import { MAX_UNDECIDED_CONNECTIONS } from "./listen-limits.ts";

/**
 * Connections of a server on which the TLS handshake or the request is under way. Their number is bounded: whoever opens many and says nothing
 * pushes out his own, since others are done in the meantime.
 */
export class UndecidedConnections {
  /** Oldest first, by the client's address: the TLS socket of a connection is another object than that of TCP, with the same address. */
  readonly #sockets = new Map<string, Socket>();
  readonly #maxConnections: number;

  readonly #onDropped: (socket: Socket, why: string) => void;

  /** `onDropped` is told of each that had to go, while its address is still known. */
  constructor(onDropped: (socket: Socket, why: string) => void, maxConnections: number = MAX_UNDECIDED_CONNECTIONS) {
    this.#onDropped = onDropped;
    this.#maxConnections = maxConnections;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** A connection has come. The oldest is closed if there are too many now. */
  add(socket: Socket): void {
    const key = keyOf(socket);
    this.#sockets.set(key, socket);
    socket.once("close", () => {
      if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
    });
    if (this.#sockets.size <= this.#maxConnections) return;
    for (const [oldestKey, oldest] of this.#sockets) {
      this.#sockets.delete(oldestKey);
      this.#onDropped(oldest, `more than ${this.#maxConnections} undecided connections at once, and this was the oldest`);
      oldest.destroy();
      return;
    }
  }

  /** Closes all that are undecided. */
  destroy(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
    this.#sockets.clear();
  }

  /** A connection is a link now; the socket may be the TLS socket around it. */
  decide(socket: Socket): void {
    this.#sockets.delete(keyOf(socket));
  }
}

function keyOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ""} ${socket.remotePort ?? 0}`;
}
