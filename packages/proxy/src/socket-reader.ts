import type { Socket } from "node:net";
import { KwikError } from "@kwik/core";

/** What a parser answers: undefined while bytes are missing, else the value and how many bytes it took. It throws for what cannot be right. */
export type Parsed<T> = { readonly value: T; readonly bytes: number } | undefined;

/**
 * Reads one message off a paused socket; what follows it stays in the socket. Rejects with what `parse` throws, with TOO_LARGE if `maxBytes` are not enough, with
 * CLOSED if the socket ends before.
 */
export function readMessage<T>(socket: Socket, parse: (bytes: Uint8Array) => Parsed<T>, maxBytes: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const finish = (): void => {
      socket.off("data", onData).off("end", onEnd).off("close", onEnd);
      socket.pause();
    };
    const fail = (error: unknown): void => {
      finish();
      reject(KwikError.from(error));
    };
    const onEnd = (): void => fail(new KwikError("CLOSED", "the client ended before its request was complete"));
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      let parsed: Parsed<T>;
      try {
        parsed = parse(bytes.subarray(0, maxBytes));
      } catch (error) {
        return fail(error);
      }
      if (parsed === undefined) {
        if (bytes.length >= maxBytes) fail(new KwikError("TOO_LARGE", `a message of the handshake has more than ${maxBytes} bytes`));
        return;
      }
      finish();
      if (parsed.bytes < bytes.length) socket.unshift(bytes.subarray(parsed.bytes));
      resolve(parsed.value);
    };
    if (socket.destroyed) return onEnd();
    socket.on("data", onData).on("end", onEnd).on("close", onEnd);
    socket.resume();
  });
}
