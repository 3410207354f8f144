import type { Session } from "@kwik/proto";

/** Probes are under way at any moment. */
const PROBE_BYTES = 16;
const FREE_REINJECTED_BYTES = 256 * 1024;

/** What a session still has to do although everybody is done: one line each, for a failure's message. */
export function unfinishedWork(name: string, session: Session): string[] {
  const { state } = session;
  const left: string[] = [];
  for (const path of state.paths.all()) {
    if (path.isUsable && path.inFlightBytes > PROBE_BYTES) left.push(`${name}: path ${path.id} has ${path.inFlightBytes} bytes in flight`);
  }
  for (const peer of state.peers.values()) {
    if (peer.isLost || state.paths.usableOf(peer.member).length === 0) continue;
    const { unacknowledgedCount } = peer.control;
    if (unacknowledgedCount > 0)
      left.push(`${name}: ${unacknowledgedCount} control messages to member ${peer.member} without acknowledgement`);
    if (!peer.frames.isEmpty) left.push(`${name}: ${peer.frames.length} frames wait for member ${peer.member}`);
    if (peer.queue.size > 0) left.push(`${name}: ${peer.queue.size} senders wait for member ${peer.member}`);
  }
  for (const entry of state.streams.values()) {
    const sendState = entry.sender?.stream.state ?? "none";
    left.push(
      `${name}: stream ${entry.id} is kept, sending ${sendState}, read to ${entry.receive?.readOffset ?? "none"} of ${entry.receive?.finalSize ?? "?"}`,
    );
  }
  return left;
}

/** More bytes sent twice for speed than the limit allows. spec: PATH-13 */
export function wasted(name: string, session: Session): string[] {
  const { limits, peers } = session.state;
  return [...peers.values()]
    .filter((peer) => peer.reinjectedBytes > FREE_REINJECTED_BYTES + limits.maxDuplicateShare * peer.sentDataBytes)
    .map((peer) => `${name}: ${peer.reinjectedBytes} of ${peer.sentDataBytes} bytes went twice to member ${peer.member}`);
}

/** What a session that has ended still holds. */
export function leftovers(name: string, session: Session, now: number): string[] {
  const { state } = session;
  const left: string[] = [];
  if (!state.hasEnded) left.push(`${name}: the session has not ended`);
  const timeout = session.pollTimeout();
  if (timeout !== undefined) left.push(`${name}: a timer at ${timeout}, now is ${now}`);
  if (session.pollTransmit(now) !== undefined) left.push(`${name}: something to transmit`);
  for (const path of state.paths.all()) if (!path.isFinal) left.push(`${name}: path ${path.id} is ${path.state}`);
  return left;
}
