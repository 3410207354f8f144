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
    super("STREAM_LIMIT", `the peer allows ${limit} streams at once and all are in use; close one, or use openStreamSync to wait`);
    this.limit = limit;
  }
}

/** Something did not finish in its time. */
export class TimeoutError extends KwikError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super("TIMEOUT", message, options);
  }
}

/** The credentials or the join ticket were refused. */
export class AuthError extends KwikError {
  constructor(message: string, options: { remote?: boolean; cause?: unknown } = {}) {
    super("AUTH_REFUSED", message, options);
  }
}
