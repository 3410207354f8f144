import type { CloseInfo, ListenerStats, PathInfo, ServerSession, SessionStats } from "kwik";
import { expect, test } from "vitest";
import { ServeMetrics } from "./serve-metrics.ts";

const LISTENER = {
  sessions: 2,
  suspendedSessions: 1,
  resumedSessions: 0,
  expiredSessions: 0,
  acceptedSessions: 4,
  refusedSessions: 3,
  refusals: { credentials: 2, "ticket-expired": 1 },
  refusedStreams: 5,
  hookFaults: { "ContentStore.open": 6 },
  endings: { LIMIT_REACHED: 7 },
  bytesSent: 10,
  bytesReceived: 20,
} as unknown as ListenerStats;

function sessionWith(sourceFaults: Record<string, number>) {
  const closed = Promise.withResolvers<CloseInfo>();
  const session = {
    closed: closed.promise,
    stats: () => ({ openStreams: 1, sourceFaults }) as unknown as SessionStats,
    allPaths: () => [{ local: true, state: "active" }] as unknown as PathInfo[],
  };
  // Only this is asked of it.
  return { session: session as unknown as ServerSession, close: () => closed.resolve({} as CloseInfo) };
}

test("faults of sources are counted by code over sessions, also over those that have ended", async () => {
  const metrics = new ServeMetrics({ stats: () => LISTENER }, "one");
  expect(metrics.text()).not.toContain("kwik_source_faults_total{");
  const first = sessionWith({ CONTENT_CORRUPT: 1, TIMEOUT: 2 });
  const second = sessionWith({ TIMEOUT: 5 });
  metrics.watch(first.session);
  metrics.watch(second.session);
  for (const streams of [2, 1]) {
    const text = metrics.text();
    expect(text).toContain('kwik_source_faults_total{server="one",code="CONTENT_CORRUPT"} 1\n');
    expect(text).toContain('kwik_source_faults_total{server="one",code="TIMEOUT"} 7\n');
    expect(text).toContain(`kwik_streams{server="one"} ${streams}\n`);
    expect(text).toContain(`kwik_paths{server="one",state="active"} ${streams}\n`);
    first.close();
    await first.session.closed;
    await Promise.resolve();
  }
});

test("refusals, faults of hooks and ends of sessions are counted by reason", () => {
  const text = new ServeMetrics({ stats: () => LISTENER }, undefined).text();
  expect(text).toContain('kwik_refusals_total{reason="credentials"} 2\nkwik_refusals_total{reason="ticket-expired"} 1\n');
  expect(text).toContain("kwik_streams_refused_total 5\n");
  expect(text).toContain('kwik_hook_faults_total{hook="ContentStore.open"} 6\n');
  expect(text).toContain('kwik_sessions_ended_total{code="LIMIT_REACHED"} 7\n');
});
