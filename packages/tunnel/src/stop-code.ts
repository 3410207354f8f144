import { StreamError } from "@kwik/core";

/** The code with which the other side stopped reading, if that is what ended a write or a close; undefined for every other error. It says nothing of what that side sends. */
export function stopCodeOf(error: unknown): number | undefined {
  return error instanceof StreamError && error.remote && error.code === "APPLICATION" ? error.errorCode : undefined;
}
