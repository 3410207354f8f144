import type { Session } from "kwik";

/** What is to be known of a session in which something stands still. */
export function describeSession(session: Session): string {
  const { openStreams, receiveBufferBytes, sendBufferBytes, isSuspended, suspensions, paths } = session.stats();
  const now = paths
    .filter((path) => path.state !== "dead" && path.state !== "closed")
    .map((path) => `${path.id} to ${path.address} over ${path.transport} ${path.state} (${path.reason})`);
  return [
    `session ${session.id}`,
    `${openStreams} streams`,
    `${receiveBufferBytes} bytes here and not read`,
    `${sendBufferBytes} not acknowledged`,
    isSuspended ? "suspended" : `paths ${now.join("; ")} of ${paths.length}`,
    `${suspensions} suspensions`,
  ].join(", ");
}
