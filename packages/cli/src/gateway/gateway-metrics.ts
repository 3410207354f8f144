import type { Gateway, OriginStats, Relay } from "@kwik/gateway";
import type { Listener } from "kwik";
import { listenerMetrics } from "../metrics/listener-metrics.ts";
import type { MetricText, MetricValue } from "../metrics/metric-text.ts";
import { withRelay } from "../relay/relay-metrics.ts";

/** The numbers of a gateway, and of its relay if it has one, in the text format of Prometheus. */
export function gatewayMetrics(gateway: Gateway, relay: Relay | undefined, listener: Listener, name: string | undefined): string {
  const stats = gateway.stats();
  const targets = gateway.targets();
  const row = (target: string, value: number): MetricValue => [{ target }, value];
  const text = listenerMetrics(listener, name)
    .gauge("kwik_gateway_connections", "Connections to targets that are open, or being made.", stats.connections)
    .gauge("kwik_gateway_associations", "UDP associations that are open.", stats.associations)
    .counter("kwik_gateway_connected_total", "Connections to targets that came up.", stats.connectedTotal)
    .counter(
      "kwik_gateway_refused_total",
      "Tunnels that were refused, by reason.",
      Object.entries(stats.refusedTotal).map(([reason, value]) => [{ reason }, value]),
    )
    .counter("kwik_gateway_target_sent_bytes_total", "Bytes from clients to targets, of ended connections.", stats.sentBytes)
    .counter("kwik_gateway_target_received_bytes_total", "Bytes from targets to clients, of ended connections.", stats.receivedBytes)
    .counter("kwik_gateway_dropped_datagrams_total", "UDP datagrams that were not handed on.", stats.droppedDatagrams)
    .counter(
      "kwik_gateway_target_connected_total",
      "Connections that came up, by target.",
      targets.map((one) => row(one.target, one.connected)),
    )
    .counter(
      "kwik_gateway_target_failed_total",
      "Connections that failed, by target.",
      targets.map((one) => row(one.target, one.failed)),
    )
    .gauge(
      "kwik_gateway_target_failed_in_a_row",
      "Failures since the last success, by target.",
      targets.map((one) => row(one.target, one.failedInARow)),
    )
    .gauge(
      "kwik_gateway_target_connect_seconds",
      "Time until a connection is up, smoothed, by target.",
      targets.flatMap((one) => (one.connectMs === undefined ? [] : [row(one.target, Math.round(one.connectMs * 1000) / 1e6)])),
    )
    .gauge(
      "kwik_gateway_target_up",
      "Whether a checked target takes connections.",
      targets.flatMap((one) => (one.isUp === undefined ? [] : [row(one.target, one.isUp ? 1 : 0)])),
    );
  if (!gateway.origins.isEmpty) withOrigins(text, gateway.origins.stats());
  return (relay === undefined ? text : withRelay(text, relay)).toString();
}

function withOrigins(text: MetricText, stats: OriginStats): void {
  text
    .counter("kwik_gateway_content_offered_total", "Responses of origins that went to the client as a content.", stats.offered)
    .counter("kwik_gateway_content_passed_total", "Responses that looked as if they could, and went as they are.", stats.passed)
    .counter("kwik_gateway_content_failed_total", "Contents that did not get to their end.", stats.failed)
    .counter("kwik_gateway_origin_range_bytes_total", "Bytes that origins gave in ranges.", stats.rangeBytes)
    .counter("kwik_gateway_origin_failed_ranges_total", "Ranges that origins did not give.", stats.failedRanges);
}
