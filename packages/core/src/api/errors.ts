import type { ErrorName } from "@kwik/proto";

/** Stable codes: those of the protocol's table, and those of this side alone. */
export type KwikErrorCode = ErrorName | "INVALID_ARGUMENT" | "NOT_TRUSTED" | "ABORTED" | "CLOSED" | "IO";

const brand = Symbol.for("kwik.error");

/** Every error that kwik rejects or throws. Decide by `code`, never by the text. */
export class KwikError extends Error {
  readonly code: KwikErrorCode;
  /** Whether the other side caused it. */
  readonly remote: boolean;
  readonly [brand] = true;

  constructor(code: KwikErrorCode, message: string, options: { remote?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.remote = options.remote ?? false;
  }

  /** Any thrown value as a KwikError; those that are one already stay as they are. */
  static from(value: unknown, code: KwikErrorCode = "IO"): KwikError {
    if (isKwikError(value)) return value;
    const message = value instanceof Error ? value.message : String(value);
    return new KwikError(code, message, { cause: value });
  }
}

/** Whether a value is a KwikError, also one of another copy of the package. */
export function isKwikError(value: unknown): value is KwikError {
  return typeof value === "object" && value !== null && brand in value;
}

/** A stream was reset, stopped, or lost its home. */
export class StreamError extends KwikError {
  readonly streamId: bigint;
  /** The code that the application gave in `reset` or `stopReading`, or that of the protocol's table. */
  readonly errorCode: number;

  constructor(
    code: KwikErrorCode,
    message: string,
    streamId: bigint,
    errorCode: number,
    options: { remote?: boolean; cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.streamId = streamId;
    this.errorCode = errorCode;
  }
}

/** A path could not be made, or died. */
export class PathError extends KwikError {
  readonly pathId: number | undefined;
  readonly address: string;

  constructor(code: KwikErrorCode, message: string, address: string, pathId?: number, options: { remote?: boolean; cause?: unknown } = {}) {
    super(code, message, options);
    this.pathId = pathId;
    this.address = address;
  }
}

/** The session has ended; what was waiting in it rejects with this. */
export class SessionClosedError extends KwikError {
  readonly errorCode: number;
  readonly reason: string;

  constructor(
    code: KwikErrorCode,
    message: string,
    errorCode: number,
    reason: string,
    options: { remote?: boolean; cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.errorCode = errorCode;
    this.reason = reason;
  }
}

/** The peer allows no further stream now; `openStreamSync` waits instead. */
export class StreamLimitError extends KwikError {
  readonly limit: number;

  constructor(limit: number) {
    super("STREAM_LIMIT", `all ${limit} streams that the peer allows are in use; close one, or use openStreamSync to wait`);
    this.limit = limit;
  }
}

/** The other side takes on no more now. */
export class LimitError extends KwikError {
  /** After how many milliseconds another try may succeed; 0 if the other side did not say. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number, options: { remote?: boolean; cause?: unknown } = {}) {
    super("LIMIT_REACHED", message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Something did not finish in its time. */
export class TimeoutError extends KwikError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super("TIMEOUT", message, options);
  }
}

/** What is wrong with a join ticket. */
export type TicketFlaw =
  | "malformed"
  /** Signed in a way that is not allowed, or not at all. */
  | "algorithm"
  /** Signed with a key that is not the cluster's, or not any more. */
  | "unknown-key"
  | "signature"
  | "other-server"
  | "other-session"
  | "other-path"
  | "other-member"
  /** Another client's. */
  | "other-client"
  | "not-yet-valid"
  | "expired"
  /** It would live longer than an hour. */
  | "too-long-lived"
  /** It was used before. */
  | "replayed"
  /** The server that it is for was revoked. */
  | "revoked"
  /** This server remembers as many used tickets as it may. */
  | "memory-full"
  /** This server takes no tickets. */
  | "no-cluster";

/** A join ticket was refused. */
export class TicketError extends KwikError {
  readonly flaw: TicketFlaw;

  constructor(flaw: TicketFlaw, message: string, options: { cause?: unknown } = {}) {
    super("TICKET_REFUSED", message, { ...options, remote: true });
    this.flaw = flaw;
  }
}

/** The credentials or the join ticket were refused. */
export class AuthError extends KwikError {
  constructor(message: string, options: { remote?: boolean; cause?: unknown } = {}) {
    super("AUTH_REFUSED", message, options);
  }
}
