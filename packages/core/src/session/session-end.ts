import { errorName, type SessionEvent } from "@kwik/proto";
import { SessionClosedError } from "../api/errors.ts";
import type { CloseInfo } from "../api/stats.ts";

/** The state machine's word that a session is over. */
export type EndedEvent = Extract<SessionEvent, { type: "ended" }>;

/** The end of a session, for whoever asks. */
export function closeInfoOf(event: EndedEvent): CloseInfo {
  const code = event.application ? "APPLICATION" : errorName(event.code);
  return { code, errorCode: event.code, reason: event.reason, remote: event.remote };
}

/** The same as what everything that waits in the session rejects with. */
export function endErrorOf(event: EndedEvent): SessionClosedError {
  const { code, reason, remote } = closeInfoOf(event);
  const words = reason === "" ? code : `${code}: ${reason}`;
  const text = `the session was closed ${remote ? "by the other side" : "here"} (${words})`;
  return new SessionClosedError(event.application ? "APPLICATION" : errorName(event.code), text, event.code, reason, { remote });
}
