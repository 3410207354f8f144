import type { Carrier, CarrierReceiver, Link, LinkReceiver } from "@kwik/core";

/**
 * What HTTP/3 needs of a QUIC connection, on the server: a link whose carriers are bare QUIC streams, and beyond that unidirectional
 * ones and clean ends. The transport that owns the engine implements it. Calls back like a link: never from inside a call made on it.
 */
export interface Http3Port extends Omit<Link, "attach" | "openCarrier" | "capabilities"> {
  /** Called once, before anything is delivered. */
  attach(receiver: Http3PortReceiver): void;
  openCarrier(): Http3Stream | undefined;
  /** Opens a stream that only this side writes to; its receiver is told of its end alone. */
  openUnidirectional(): Http3Stream | undefined;
}

export interface Http3PortReceiver extends LinkReceiver {
  /** The peer opened a stream, of either kind. `stream.receiver` MUST be set before this returns. */
  onCarrier(stream: Http3Stream): void;
}

/** A QUIC stream. Its `id` is QUIC's: the two lowest bits tell who opened it and whether it goes one way only. */
export interface Http3Stream extends Carrier {
  receiver: Http3StreamReceiver | undefined;
  /** Queues the last bytes, at least one, and ends this direction behind them. Nothing can be sent after that. */
  finish(bytes: Uint8Array): void;
}

export interface Http3StreamReceiver extends CarrierReceiver {
  /** The peer ended its direction cleanly; this one stays open. Where it is missing, `onEnd` is called and the stream is over. */
  onFin?(): void;
}

/** Whether a stream goes one way only. RFC 9000 section 2.1 */
export function isUnidirectional(streamId: number): boolean {
  return (streamId & 2) !== 0;
}
