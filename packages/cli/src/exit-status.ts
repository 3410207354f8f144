import { isKwikError, type KwikErrorCode } from "kwik";

/** What the command's exit status says. The table is documented in docs/guide/commands.md; numbers are never reused. */
export const ExitStatus = {
  /** Everything asked for was done and verified. */
  done: 0,
  /** A fault of the program itself. */
  fault: 1,
  /** The command line makes no sense, or asks for something that does not work on this system. */
  usage: 2,
  /** No server could be reached, or all were lost. */
  unreachable: 3,
  /** A server could not prove who it is, or refused the client. */
  untrusted: 4,
  /** No server has the file, or none gives it out. */
  notFound: 5,
  /** The bytes are not what they should be. */
  integrity: 6,
  /** Stopped by Ctrl-C or SIGTERM. */
  interrupted: 7,
  /** A local file, folder or port cannot be used. */
  local: 8,
} as const;

export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** Ends a command: one sentence for people, and a status for scripts. */
export class CommandError extends Error {
  readonly status: ExitStatus;

  constructor(status: ExitStatus, sentence: string, options: { cause?: unknown } = {}) {
    super(sentence, options);
    this.name = "CommandError";
    this.status = status;
  }
}

const statusOfCode: Partial<Record<KwikErrorCode, ExitStatus>> = {
  INVALID_ARGUMENT: ExitStatus.usage,
  NOT_TRUSTED: ExitStatus.untrusted,
  IDENTITY_MISMATCH: ExitStatus.untrusted,
  AUTH_REFUSED: ExitStatus.untrusted,
  TICKET_REFUSED: ExitStatus.untrusted,
  CONTENT_NOT_FOUND: ExitStatus.notFound,
  CONTENT_VERSION: ExitStatus.integrity,
  CONTENT_CORRUPT: ExitStatus.integrity,
  CHECKSUM_MISMATCH: ExitStatus.integrity,
  ABORTED: ExitStatus.interrupted,
  IO: ExitStatus.local,
  INTERNAL_ERROR: ExitStatus.fault,
  // A transport that was named and does not work here: what a command does by itself works everywhere.
  NOT_SUPPORTED: ExitStatus.usage,
};

/** The status for anything thrown. What is wrong with a connection and has no row of its own counts as unreachable. */
export function exitStatusOf(error: unknown): ExitStatus {
  if (error instanceof CommandError) return error.status;
  if (isKwikError(error)) {
    // What a server does not support is no fault of the command line.
    if (error.code === "NOT_SUPPORTED" && error.remote) return ExitStatus.unreachable;
    return statusOfCode[error.code] ?? ExitStatus.unreachable;
  }
  return isSystemError(error) ? ExitStatus.local : ExitStatus.fault;
}

/** Whether an error came from a call to the operating system. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === "number";
}

/** What failed, in one line. */
export function sentenceOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s*\n\s*/g, " ");
}
