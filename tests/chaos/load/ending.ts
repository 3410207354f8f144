import { isKwikError, SessionClosedError, StreamError } from "kwik";
import { BrokenInvariant } from "./stream-request.ts";

/** Codes that honest ends never give each other, whatever the network does. */
const ACCUSING: ReadonlySet<string> = new Set([
  "INTERNAL_ERROR",
  "PROTOCOL_VIOLATION",
  "FRAME_ENCODING",
  "CHECKSUM_MISMATCH",
  "TOO_LARGE",
  "FLOW_CONTROL",
  "STREAM_LIMIT",
  "STREAM_STATE",
  "FINAL_SIZE",
  "VERSION",
  "NOT_KWIK",
  "CONTENT_NOT_FOUND",
  "CONTENT_VERSION",
  "CONTENT_CORRUPT",
  "INVALID_ARGUMENT",
]);

/** The code of a failure; throws BrokenInvariant if it is one that must not be, an application's own code other than `allowed`, or no KwikError at all. */
export function endingOf(error: unknown, allowed: readonly number[]): string {
  if (error instanceof BrokenInvariant) throw error;
  if (!isKwikError(error))
    throw new BrokenInvariant(`not an error of kwik: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
  const { code, message } = error;
  if (ACCUSING.has(code)) throw new BrokenInvariant(`${code}: ${message}`);
  if (
    code === "APPLICATION" &&
    (error instanceof StreamError || error instanceof SessionClosedError) &&
    !allowed.includes(error.errorCode)
  ) {
    throw new BrokenInvariant(`nobody gave the code ${error.errorCode}: ${message}`);
  }
  return code;
}

/** The same for how a session ended. */
export function checkedEnd({ code, reason }: { readonly code: string; readonly reason: string }): string {
  if (ACCUSING.has(code)) throw new BrokenInvariant(`a session ended with ${code}: ${reason}`);
  if (code === "") throw new BrokenInvariant("a session ended without a code");
  return code;
}
