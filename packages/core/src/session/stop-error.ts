import { StreamError } from "../api/errors.ts";

/** What a writer is told when the other side stopped reading with the application's `code`. */
export function stopErrorOf(streamId: bigint, code: number): StreamError {
  return new StreamError("APPLICATION", `the other side stopped reading with code ${code}`, streamId, code, { remote: true });
}
