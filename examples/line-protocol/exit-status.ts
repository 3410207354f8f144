/** What the exit status of both programs says. The README has the table. */
export const ExitStatus = {
  /** Everything was done. */
  done: 0,
  /** A fault of the program itself. */
  fault: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** The server cannot be reached, was lost, or does not answer. */
  unreachable: 3,
  /** The server refused something. */
  refused: 4,
  /** The plain form cannot carry these bytes. */
  notPlain: 5,
  /** The server has other bytes than were sent. */
  integrity: 6,
  /** Stopped by Ctrl-C or SIGTERM. */
  interrupted: 7,
  /** A local file, folder or port cannot be used. */
  local: 8,
} as const;

export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** Ends a program: one sentence for people, and a status for scripts. */
export class ProgramError extends Error {
  readonly status: ExitStatus;

  constructor(status: ExitStatus, sentence: string) {
    super(sentence);
    this.name = "ProgramError";
    this.status = status;
  }
}

/** Says on standard error what went wrong and answers the status. */
export function reportFailure(program: string, error: unknown): ExitStatus {
  if (error instanceof ProgramError) {
    process.stderr.write(`${program}: ${error.message}\n`);
    return error.status;
  }
  const isSystemError = error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === "number";
  process.stderr.write(
    `${program}: ${error instanceof Error ? (isSystemError ? error.message : (error.stack ?? error.message)) : String(error)}\n`,
  );
  return isSystemError ? ExitStatus.local : ExitStatus.fault;
}
