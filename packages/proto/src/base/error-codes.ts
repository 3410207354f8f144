/**
 * Every code that one side can give the other, on the wire and in the public errors. One table: number, name, meaning.
 * Applications use codes of their own in reset, stopReading and closeWithError; those travel beside, not in this table.
 */
export const ErrorCode = {
  /** Closed as asked; nothing went wrong. */
  NO_ERROR: 0x00,
  /** A fault of this implementation; please report it. */
  INTERNAL_ERROR: 0x01,
  /** The peer sent what the specification forbids. */
  PROTOCOL_VIOLATION: 0x02,
  /** A frame or packet could not be decoded. */
  FRAME_ENCODING: 0x03,
  /** A packet's checksum did not match its bytes. */
  CHECKSUM_MISMATCH: 0x04,
  /** A message, frame or packet was larger than this side's limit. */
  TOO_LARGE: 0x05,
  /** The peer sent beyond the credit it was given. */
  FLOW_CONTROL: 0x06,
  /** The peer opened more streams than it was allowed. */
  STREAM_LIMIT: 0x07,
  /** The peer acted on a stream in a state that does not allow it. */
  STREAM_STATE: 0x08,
  /** Two different final sizes, or bytes beyond the final size. */
  FINAL_SIZE: 0x09,
  /** No version in common. */
  VERSION: 0x0a,
  /** The first bytes were not kwik's. */
  NOT_KWIK: 0x0b,
  /** The application did not accept the client's credentials. */
  AUTH_REFUSED: 0x0c,
  /** The join ticket was missing, forged, expired, for something else, or already used. */
  TICKET_REFUSED: 0x0d,
  /** There is no such session here. */
  NO_SESSION: 0x0e,
  /** A limit on sessions, paths or members was reached. */
  LIMIT_REACHED: 0x0f,
  /** The client's policy does not allow this address. */
  ADDRESS_REFUSED: 0x10,
  /** The server could not prove the identity that was expected. */
  IDENTITY_MISMATCH: 0x11,
  /** Nothing could be reached at the address. */
  UNREACHABLE: 0x12,
  /** The other side stopped answering. */
  PATH_DEAD: 0x13,
  /** The transport connection ended. */
  LINK_LOST: 0x14,
  /** The path was removed as asked. */
  PATH_REMOVED: 0x15,
  /** Something did not finish in its time. */
  TIMEOUT: 0x16,
  /** The server at which the stream lived is gone. */
  HOME_LOST: 0x17,
  /** No path was left, and the grace time is over. */
  NO_PATHS: 0x18,
  /** The server is shutting down. */
  GOING_AWAY: 0x19,
  /** The content is not here. */
  CONTENT_NOT_FOUND: 0x1a,
  /** The content here has another version or length. */
  CONTENT_VERSION: 0x1b,
  /** Bytes of a range did not match the home's hashes. */
  CONTENT_CORRUPT: 0x1c,
  /** No server could deliver a range that verifies. */
  CONTENT_UNAVAILABLE: 0x1d,
  /** The target of a raw message is not known, or not allowed. */
  RAW_REFUSED: 0x1e,
  /** The application did not do what the call needs (no handler, for instance). */
  NOT_SUPPORTED: 0x1f,
  /** The application closed with a code of its own. */
  APPLICATION: 0x20,
} as const;

export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

export type ErrorName = keyof typeof ErrorCode;

const names = new Map<number, ErrorName>(Object.entries(ErrorCode).map(([name, code]) => [code, name as ErrorName]));

/** The table's name for a code; codes from a newer peer read as "INTERNAL_ERROR". */
export function errorName(code: number): ErrorName {
  return names.get(code) ?? "INTERNAL_ERROR";
}

/** A code as the table has it: one that is not in it counts as INTERNAL_ERROR. spec: CTRL-15 */
export function knownCode(code: number): ErrorCode {
  return names.has(code) ? (code as ErrorCode) : ErrorCode.INTERNAL_ERROR;
}

/**
 * What went wrong with a peer's input. A value, never thrown: the caller closes a stream, a path or the session with it.
 * A thrown error inside the state machine means a bug of ours.
 */
export interface ProtocolFailure {
  readonly code: ErrorCode;
  readonly reason: string;
}

export function failure(code: ErrorCode, reason: string): ProtocolFailure {
  return { code, reason };
}
