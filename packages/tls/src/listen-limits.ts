/** Connections of one server at once. The same as over QUIC. */
export const DEFAULT_MAX_CONNECTIONS = 2_000;

/** How long a client may take for TLS, and then for its request where there is one, in milliseconds: round trips on a bad network. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;

/** How long a client may take to say what it wants, in milliseconds, once connected. The same as over QUIC. */
export const FIRST_BYTES_TIMEOUT_MS = 5_000;

/**
 * Connections of one server that have not said yet what they want, at most. Each costs about 50 KB before anything is known of the client.
 * When there are more, the oldest makes room: those that only hold a place are the oldest, those that mean it are done soon.
 */
export const MAX_UNDECIDED_CONNECTIONS = 256;
