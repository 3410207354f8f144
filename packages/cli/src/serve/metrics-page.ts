import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { formatAddress, type Listener, type PathState, type ServerAddress, type ServerSession } from "kwik";
import { CommandError, ExitStatus, sentenceOf } from "../exit-status.ts";

const STATES: readonly PathState[] = ["connecting", "authenticating", "active", "degraded", "dead", "closed"];

/** Numbers of a running server for Prometheus, in its text format. */
export class MetricsPage {
  readonly #listener: Listener;
  readonly #labels: string;
  readonly #sessions = new Set<ServerSession>();
  /** What was wrong with sources, by code, of sessions that are over. */
  readonly #pastFaults = new Map<string, number>();
  readonly #server: Server;

  constructor(listener: Listener, name: string | undefined) {
    this.#listener = listener;
    this.#labels = name === undefined ? "" : `server="${name.replace(/[\\"\n]/g, "_")}"`;
    this.#server = createServer((request, response) => {
      const isPage = request.url === "/metrics" || request.url === "/";
      response.writeHead(isPage ? 200 : 404, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      response.end(isPage ? this.text() : "the numbers are at /metrics\n");
    });
  }

  /** Answers the bound "host:port". Rejects with CommandError if it cannot be bound. */
  listen(address: ServerAddress): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => {
        const sentence = `cannot serve metrics at ${formatAddress(address)}: ${sentenceOf(error)}; choose another port`;
        reject(new CommandError(ExitStatus.local, sentence, { cause: error }));
      });
      this.#server.listen(address.port, address.host, () => {
        const { address: host, port } = this.#server.address() as AddressInfo;
        resolve(formatAddress({ host, port }));
      });
    });
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
    const {
      sessions,
      suspendedSessions,
      resumedSessions,
      expiredSessions,
      acceptedSessions,
      refusedSessions,
      refusals,
      bytesSent,
      bytesReceived,
    } = this.#listener.stats();
    const faults = new Map(this.#pastFaults);
    const paths = new Map<string, number>(STATES.map((state) => [state, 0]));
    let streams = 0;
    for (const session of this.#sessions) {
      streams += session.stats().openStreams;
      addFaults(faults, session);
      for (const path of session.allPaths()) if (path.local) paths.set(path.state, (paths.get(path.state) ?? 0) + 1);
    }
    return [
      this.#metric("kwik_sessions", "gauge", "Sessions that are open.", [["", sessions]]),
      this.#metric("kwik_sessions_suspended", "gauge", "Sessions without a path, that wait for their client.", [["", suspendedSessions]]),
      this.#metric("kwik_sessions_resumed_total", "counter", "Times that a client came back to a suspended session.", [
        ["", resumedSessions],
      ]),
      this.#metric("kwik_sessions_expired_total", "counter", "Suspended sessions whose client did not come back.", [["", expiredSessions]]),
      this.#metric("kwik_sessions_accepted_total", "counter", "Sessions that were accepted.", [["", acceptedSessions]]),
      this.#metric("kwik_sessions_refused_total", "counter", "Sessions that were refused.", [["", refusedSessions]]),
      this.#metric(
        "kwik_refusals_total",
        "counter",
        "The same, by reason: a limit, credentials, each flaw of a ticket.",
        Object.entries(refusals).map(([reason, count]) => [`reason="${reason}"`, count] as const),
      ),
      this.#metric("kwik_sent_bytes_total", "counter", "Bytes sent to clients.", [["", bytesSent]]),
      this.#metric("kwik_received_bytes_total", "counter", "Bytes received from clients.", [["", bytesReceived]]),
      this.#metric("kwik_streams", "gauge", "Streams that are open.", [["", streams]]),
      this.#metric(
        "kwik_paths",
        "gauge",
        "Paths of open sessions that end at this server, by state.",
        [...paths].map(([state, count]) => [`state="${state}"`, count] as const),
      ),
      this.#metric(
        "kwik_source_faults_total",
        "counter",
        "Servers that clients of this one did not ask for a content any more, or for a while, by reason.",
        [...faults].map(([code, count]) => [`code="${code}"`, count] as const),
      ),
    ].join("");
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #metric(name: string, type: "gauge" | "counter", help: string, values: readonly (readonly [labels: string, value: number])[]): string {
    const lines = values.map(([labels, value]) => {
      const all = [this.#labels, labels].filter((one) => one !== "").join(",");
      return `${name}${all === "" ? "" : `{${all}}`} ${value}\n`;
    });
    return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
  }
}

function addFaults(counts: Map<string, number>, session: ServerSession): void {
  for (const [code, count] of Object.entries(session.stats().sourceFaults)) counts.set(code, (counts.get(code) ?? 0) + count);
}
