/** The WebSocket subprotocol that says "kwik, version 1". */
export const SUBPROTOCOL = "kwik.1";

/**
 * A message that is sent holds at most this, in bytes: large enough that its head costs nothing, small enough that others get their turn. With its
 * head of at most eight bytes it fills four TLS records.
 */
export const MAX_MESSAGE_BYTES = 64 * 1024 - 8;

/** Time in which a pipe that ends here may send what is queued and hear the other side agree, in milliseconds. */
export const END_TIMEOUT_MS = 1_000;

/**
 * What `ws` is told, on both sides. Compression costs more than it saves, and what is encrypted above does not shrink. A message is held until
 * it is complete: twice what kwik sends is accepted, in so few pieces that their heads weigh nothing.
 */
export const WEBSOCKET_OPTIONS = {
  perMessageDeflate: false,
  maxPayload: 128 * 1024,
  maxFragments: 256,
  maxBufferedChunks: 4_096,
  closeTimeout: END_TIMEOUT_MS,
} as const;
