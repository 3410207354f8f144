import type { Socket } from "node:net";

/** How long a client that was told its last word may take to end its side, in milliseconds. Whoever does not would keep the connection for ever. */
const LAST_WORD_MS = 5_000;

/** Says the last word of a connection and ends it: what the client still sends is passed over, so that it can read what it is told, but not for long. */
export function endWith(socket: Socket, lastWord: Uint8Array | string): void {
  const timer = setTimeout(() => socket.destroy(), LAST_WORD_MS).unref();
  socket.once("close", () => clearTimeout(timer));
  socket.on("error", () => undefined);
  socket.end(lastWord);
  socket.resume();
}
