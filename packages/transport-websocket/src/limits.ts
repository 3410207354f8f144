/** The WebSocket subprotocol that says "kwik, version 1". */
export const SUBPROTOCOL = "kwik.1";

/** Where a server answers, unless it was told otherwise. */
export const DEFAULT_PATH = "/kwik";

/** A message that is sent holds at most this, in bytes: large enough that its head costs nothing, small enough that others get their turn. */
export const MAX_MESSAGE_BYTES = 64 * 1024;

/** Time in which a pipe that ends here may send what is queued and hear the other side agree, in milliseconds. */
export const END_TIMEOUT_MS = 1_000;

/** Connections of one server at once: each may hold an incomplete message. */
export const DEFAULT_MAX_CONNECTIONS = 2_000;

/** Connections that have not said yet what they want, at most; of more, the one that has taken longest goes. */
export const MAX_UNDECIDED_CONNECTIONS = 256;

/** What a client may take for TLS, and then for its request, in milliseconds. */
export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;

/** How long a client may take to say what it wants once its WebSocket is open, in milliseconds. */
export const FIRST_BYTES_TIMEOUT_MS = 5_000;

/**
 * What `ws` is told, on both sides. Compression costs more than it saves, and what is encrypted above does not shrink. A message is held until
 * it is complete: twice what kwik sends is accepted, in so few pieces that their heads weigh nothing.
 */
export const SOCKET_OPTIONS = {
  perMessageDeflate: false,
  maxPayload: 2 * MAX_MESSAGE_BYTES,
  maxFragments: 256,
  maxBufferedChunks: 4_096,
  closeTimeout: END_TIMEOUT_MS,
} as const;
