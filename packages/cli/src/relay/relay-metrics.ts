import type { Relay } from "@kwik/gateway";
import type { Listener } from "kwik";
import { listenerMetrics } from "../metrics/listener-metrics.ts";
import type { MetricText } from "../metrics/metric-text.ts";

/** The numbers of `kwik relay` in the text format of Prometheus. */
export function relayMetrics(relay: Relay, listener: Listener, name: string | undefined): string {
  return withRelay(listenerMetrics(listener, name), relay).toString();
}

/** Adds the numbers of a relay. */
export function withRelay(text: MetricText, relay: Relay): MetricText {
  const { links, openedTotal, refusedTotal, sentBytes, receivedBytes } = relay.stats();
  const clients = relay.clients();
  return text
    .gauge("kwik_relay_links", "Links that are carried.", links)
    .counter("kwik_relay_opened_total", "Links that came up.", openedTotal)
    .counter(
      "kwik_relay_refused_total",
      "Links that were refused, by reason.",
      Object.entries(refusedTotal).map(([reason, value]) => [{ reason }, value]),
    )
    .counter("kwik_relay_sent_bytes_total", "Bytes from clients to homes.", sentBytes)
    .counter("kwik_relay_received_bytes_total", "Bytes from homes to clients.", receivedBytes)
    .gauge(
      "kwik_relay_client_links",
      "Links that are carried, by client.",
      clients.map((one) => [{ client: one.client }, one.links]),
    )
    .counter(
      "kwik_relay_client_sent_bytes_total",
      "Bytes to homes, by client.",
      clients.map((one) => [{ client: one.client }, one.sentBytes]),
    )
    .counter(
      "kwik_relay_client_received_bytes_total",
      "Bytes from homes, by client.",
      clients.map((one) => [{ client: one.client }, one.receivedBytes]),
    );
}
