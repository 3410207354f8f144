import type { Listener, PathState, ServerSession } from "kwik";
import { listenerMetrics } from "../metrics/listener-metrics.ts";

const STATES: readonly PathState[] = ["connecting", "authenticating", "active", "degraded", "dead", "closed"];

/** The numbers of `kwik serve` in the text format of Prometheus. */
export class ServeMetrics {
  readonly #listener: Pick<Listener, "stats">;
  readonly #name: string | undefined;
  readonly #sessions = new Set<ServerSession>();
  /** What was wrong with sources, by code, of sessions that are over. */
  readonly #pastFaults = new Map<string, number>();

  constructor(listener: Pick<Listener, "stats">, name: string | undefined) {
    this.#listener = listener;
    this.#name = name;
  }

  /** Counts the paths of a session while it lives, and what its client says of sources. */
  watch(session: ServerSession): void {
    this.#sessions.add(session);
    void session.closed.then(() => {
      this.#sessions.delete(session);
      addFaults(this.#pastFaults, session);
    });
  }

  text(): string {
    const faults = new Map(this.#pastFaults);
    const paths = new Map<string, number>(STATES.map((state) => [state, 0]));
    let streams = 0;
    for (const session of this.#sessions) {
      streams += session.stats().openStreams;
      addFaults(faults, session);
      for (const path of session.allPaths()) if (path.local) paths.set(path.state, (paths.get(path.state) ?? 0) + 1);
    }
    return listenerMetrics(this.#listener, this.#name)
      .gauge("kwik_streams", "Streams that are open.", streams)
      .gauge(
        "kwik_paths",
        "Paths of open sessions that end at this server, by state.",
        [...paths].map(([state, count]) => [{ state }, count]),
      )
      .counter(
        "kwik_source_faults_total",
        "Servers that clients of this one did not ask for a content any more, or for a while, by reason.",
        [...faults].map(([code, count]) => [{ code }, count]),
      )
      .toString();
  }
}

function addFaults(counts: Map<string, number>, session: ServerSession): void {
  for (const [code, count] of Object.entries(session.stats().sourceFaults)) counts.set(code, (counts.get(code) ?? 0) + count);
}
