import type { Listener } from "kwik";
import { MetricText } from "./metric-text.ts";

/** Begins a page of metrics with the numbers of a listener; `name` becomes the label `server`. */
export function listenerMetrics(listener: Pick<Listener, "stats">, name: string | undefined): MetricText {
  const stats = listener.stats();
  return new MetricText(name === undefined ? {} : { server: name })
    .gauge("kwik_sessions", "Sessions that are open.", stats.sessions)
    .gauge("kwik_sessions_suspended", "Sessions without a path, that wait for their client.", stats.suspendedSessions)
    .counter("kwik_sessions_resumed_total", "Times that a client came back to a suspended session.", stats.resumedSessions)
    .counter("kwik_sessions_expired_total", "Suspended sessions whose client did not come back.", stats.expiredSessions)
    .counter("kwik_sessions_accepted_total", "Sessions that were accepted.", stats.acceptedSessions)
    .counter("kwik_sessions_refused_total", "Sessions that were refused.", stats.refusedSessions)
    .counter(
      "kwik_refusals_total",
      "The same, by reason: a limit, credentials, each flaw of a ticket.",
      Object.entries(stats.refusals).map(([reason, count]) => [{ reason }, count]),
    )
    .counter("kwik_streams_refused_total", "Streams that authorizeStream refused.", stats.refusedStreams)
    .counter(
      "kwik_hook_faults_total",
      "Hooks of the application that failed or gave no answer.",
      Object.entries(stats.hookFaults).map(([hook, count]) => [{ hook }, count]),
    )
    .counter(
      "kwik_sessions_ended_total",
      "Sessions that have ended, by code.",
      Object.entries(stats.endings).map(([code, count]) => [{ code }, count]),
    )
    .counter("kwik_sent_bytes_total", "Bytes sent to clients.", stats.bytesSent)
    .counter("kwik_received_bytes_total", "Bytes received from clients.", stats.bytesReceived);
}
