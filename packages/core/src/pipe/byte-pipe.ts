import type { Arrival } from "@kwik/proto";
import type { LinkProperties } from "../transport/link.ts";

/**
 * One reliable, ordered, bidirectional stream of bytes: a TCP or TLS connection, a WebSocket, a relayed stream. `PipeLink` makes a link of it;
 * a transport implements only this. Calls back only from the event loop, never from inside a call made on it.
 */
export interface BytePipe {
  readonly properties: LinkProperties;
  /** Encrypted and integrity-protected. */
  readonly encrypted: boolean;
  /** The pipe calls `onBatchEnd`; otherwise whoever receives looks for the end of a batch itself. */
  readonly tellsBatches?: boolean;
  /** Set once, in the turn in which the pipe was handed over; nothing is delivered before. */
  receiver: BytePipeReceiver | undefined;

  /** Queues the parts, in order, all of which stay unchanged. Never refuses; whoever writes looks at `bufferedBytes`. */
  write(parts: readonly Uint8Array[]): void;

  /** Bytes queued in this process: given to `write` and not yet taken by the operating system or the browser. */
  readonly bufferedBytes: number;

  /** Sends what is queued, as far as that goes within a second, and ends both directions. Idempotent; `onEnd` does not follow. */
  end(): void;

  /** Smoothed round-trip time in milliseconds and bytes either way, as far as the host tells them. */
  stats(): { readonly rttMs: number | undefined; readonly bytesIn: number; readonly bytesOut: number };
}

export interface BytePipeReceiver {
  /**
   * The next bytes. The receiver may keep the view; nobody writes into it again. `arrival` is the memory that they lie in, if that can be given back: who keeps a
   * view holds it; the pipe holds it until this returns.
   */
  onData(data: Uint8Array, arrival?: Arrival): void;
  /** What one turn of the event loop brought was delivered. Called by pipes with `tellsBatches`. */
  onBatchEnd?(): void;
  /** `bufferedBytes` has fallen to less than `PIPE_LOW_WATER_BYTES` after it was at least that. */
  onDrain(): void;
  /** Both directions have ended, once; nothing comes after it. `reason` in words; empty if the peer ended it in order. */
  onEnd(reason: string): void;
}

/** A pipe is filled again when fewer bytes than this are queued in it, and to at most twice as many. */
export const PIPE_LOW_WATER_BYTES = 128 * 1024;
