import { MAX_MESSAGE_BYTES } from "./limits.ts";

/** Smaller messages get memory of their size. */
const SMALL_BYTES = 16 * 1024;

/** Memory of messages that were sent, of all connections: for the next ones. */
const spare: ArrayBuffer[] = [];
/** What one connection may have before its socket, twice. */
const MAX_SPARE = 8;

/** The bytes of `parts`, in order, as messages of at most `MAX_MESSAGE_BYTES`: small parts together, large ones cut. All are copies. */
export function* joinMessages(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  let left = parts.reduce((sum, part) => sum + part.length, 0);
  let message = memoryFor(left);
  let used = 0;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const to = Math.min(part.length, from + message.length - used);
      message.set(from === 0 && to === part.length ? part : part.subarray(from, to), used);
      used += to - from;
      from = to;
      if (used < message.length) continue;
      left -= used;
      used = 0;
      yield message;
      message = memoryFor(left);
    }
  }
}

/** A message of `joinMessages` was sent: its memory may be written over. */
export function recycleMessage({ buffer }: Uint8Array): void {
  if (buffer.byteLength === MAX_MESSAGE_BYTES && spare.length < MAX_SPARE) spare.push(buffer as ArrayBuffer);
}

/** For the next message, of which `bytes` and what follows are left. */
function memoryFor(bytes: number): Buffer {
  if (bytes < SMALL_BYTES) return Buffer.allocUnsafe(bytes);
  const memory = spare.pop() ?? Buffer.allocUnsafeSlow(MAX_MESSAGE_BYTES).buffer;
  return Buffer.from(memory, 0, Math.min(bytes, MAX_MESSAGE_BYTES));
}
