import type { Socket } from "node:net";
import { KwikError } from "@kwik/core";
import { closedEarly, dialError, unreachable } from "@kwik/tls";

/** One attempt to reach a server. */
export interface Attempt {
  /** The server's place, for messages. */
  readonly where: string;
  /** When it is given up, on the clock of `performance`. */
  readonly deadline: number;
  /** How long that was from the beginning, for messages. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** An attempt that begins now. */
export function attemptAt(where: string, timeoutMs: number, signal: AbortSignal | undefined): Attempt {
  return { where, deadline: performance.now() + timeoutMs, timeoutMs, signal };
}

/** What an attempt that was aborted rejects with. */
export function aborted({ where, signal }: Attempt): KwikError {
  return new KwikError("ABORTED", `dialling ${where} was aborted`, { cause: signal?.reason });
}

/**
 * Resolves when a new socket has the event that says it works. Rejects with what the dial then failed with: the socket is destroyed, and its errors interest nobody
 * any more.
 */
export function until(socket: Socket, event: "connect" | "secureConnect", attempt: Attempt): Promise<void> {
  const { where, signal } = attempt;
  return new Promise((resolve, reject) => {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.off(event, onEvent).off("close", onClose);
    };
    const fail = (error: KwikError): void => {
      if (isSettled) return;
      settle();
      socket.destroy();
      reject(error);
    };
    const onEvent = (): void => {
      settle();
      resolve();
    };
    const onAbort = (): void => fail(aborted(attempt));
    const onClose = (): void => fail(closedEarly(where));
    const timer = setTimeout(() => fail(unreachable(where, "TCP", attempt.timeoutMs)), Math.max(0, attempt.deadline - performance.now()));
    // Stays for good: a socket that was given up may still report an error, and nobody else listens.
    socket.on("error", (error) => fail(dialError(error, where)));
    socket.once(event, onEvent).once("close", onClose);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
}
