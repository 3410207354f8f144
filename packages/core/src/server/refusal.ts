import { ErrorCode } from "@kwik/proto";
import { KwikError, TicketError } from "../api/errors.ts";
import type { LimitName, RefusalReason } from "../api/refusal-reason.ts";

/** What a client that is not taken is told, and what it counts as. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly text: string;
  readonly reason: RefusalReason;
  /** When to come again, in milliseconds; 0 where that is no question of time. */
  readonly retryAfterMs: number;
  /** Where this server takes the session: a port of the host that the client dialled. spec: CTRL-20 */
  readonly redirectPort?: number;
}

/** A refusal that is thrown where somebody decides about a client. */
export class RefusedError extends KwikError {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(nameOf(refusal.code), refusal.text);
    this.refusal = refusal;
  }
}

export function refused(code: ErrorCode, text: string, reason: RefusalReason): RefusedError {
  return new RefusedError({ code, text, reason, retryAfterMs: 0 });
}

/** The answer to one who meets a limit. spec: CTRL-18 */
export function limitReached(limit: LimitName, text: string, retryAfterMs: number): Refusal {
  return { code: ErrorCode.LIMIT_REACHED, text, reason: limit, retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)) };
}

/** The answer to who is new to a listener that closes. */
export function shuttingDown(): RefusedError {
  return refused(ErrorCode.GOING_AWAY, "the server is shutting down", "shutting-down");
}

/** The answer to one whose session another process of this server takes. spec: CTRL-20 */
export function redirectedTo(port: number): Refusal {
  const text = `another process of this server takes the session, at port ${port}`;
  return { code: ErrorCode.LIMIT_REACHED, text, reason: "redirected", retryAfterMs: 0, redirectPort: port };
}

const REASONS: Partial<Record<string, RefusalReason>> = {
  AUTH_REFUSED: "credentials",
  TICKET_REFUSED: "proof",
  NO_SESSION: "no-session",
  VERSION: "version",
  TIMEOUT: "timeout",
  TOO_LARGE: "held-bytes",
  GOING_AWAY: "shutting-down",
  INTERNAL_ERROR: "internal",
};

/** What was wrong, as the answer to the client. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof RefusedError) return error.refusal;
  const problem = KwikError.from(error, "INTERNAL_ERROR");
  const code = problem.code in ErrorCode ? ErrorCode[problem.code as keyof typeof ErrorCode] : ErrorCode.INTERNAL_ERROR;
  const reason = problem instanceof TicketError ? (`ticket-${problem.flaw}` as const) : reasonOf(code);
  return { code, text: problem.message, reason, retryAfterMs: 0 };
}

/** What a refusal with this code alone counts as. */
export function reasonOf(code: ErrorCode): RefusalReason {
  return REASONS[nameOf(code)] ?? "protocol";
}

function nameOf(code: ErrorCode): keyof typeof ErrorCode {
  return (Object.keys(ErrorCode) as (keyof typeof ErrorCode)[]).find((name) => ErrorCode[name] === code) ?? "INTERNAL_ERROR";
}
