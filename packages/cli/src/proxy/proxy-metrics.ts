import type { LocalProxy } from "@kwik/proxy";
import { MetricText } from "../metrics/metric-text.ts";

/** The numbers of a proxy in the text format of Prometheus. */
export function proxyMetrics(proxy: LocalProxy, name: string | undefined): string {
  const stats = proxy.stats();
  const session = proxy.session?.stats();
  const paths = session?.paths ?? [];
  const states = new Map<string, number>();
  for (const path of paths) states.set(path.state, (states.get(path.state) ?? 0) + 1);
  return new MetricText(name === undefined ? {} : { proxy: name })
    .gauge("kwik_proxy_connections", "Local connections that have a tunnel.", stats.connections)
    .gauge("kwik_proxy_connected", "Whether there is a session.", stats.isConnected ? 1 : 0)
    .gauge("kwik_proxy_suspended", "Whether the session has no path, and waits for one.", session?.isSuspended === true ? 1 : 0)
    .counter("kwik_proxy_suspensions_total", "How often the sessions had no path.", stats.suspensions)
    .counter("kwik_proxy_sessions_total", "Sessions so far.", stats.sessions)
    .counter("kwik_proxy_closed_total", "Connections that had a tunnel and are over.", stats.closedTotal)
    .counter(
      "kwik_proxy_refused_total",
      "Connections without a tunnel, by reason.",
      Object.entries(stats.refusedTotal).map(([reason, value]) => [{ reason }, value]),
    )
    .counter("kwik_proxy_sent_bytes_total", "Bytes from local clients, of ended connections.", stats.sentBytes)
    .counter("kwik_proxy_received_bytes_total", "Bytes to local clients, of ended connections.", stats.receivedBytes)
    .counter(
      "kwik_proxy_sources_left_out_total",
      "Times that a gateway was no longer asked for a response, by the code of the reason; TIMEOUT is for a while.",
      Object.entries(stats.leftOutTotal).map(([code, value]) => [{ code }, value]),
    )
    .gauge(
      "kwik_paths",
      "Paths of the session, by state.",
      [...states].map(([state, value]) => [{ state }, value]),
    )
    .toString();
}
