import type { ClientSession, Session } from "kwik";
import { epochMs } from "../process/arrival-log.ts";
import type { SessionReport } from "../process/lab-role.ts";

const MAX_EVENTS = 60;

/** Notes what happens to a session's paths, for the report. */
export class SessionWatch {
  readonly #session: Session;
  readonly #beganAt = epochMs();
  readonly #events: string[] = [];

  constructor(session: ClientSession | Session) {
    this.#session = session;
    void this.#run().catch(() => undefined);
  }

  report(): SessionReport {
    const stats = this.#session.stats();
    return {
      duplicateBytes: stats.duplicateBytes,
      paths: stats.paths.map(({ address, state, bytesSent, bytesReceived, bytesResent, rttMs }) => ({
        address,
        state,
        bytesSent,
        bytesReceived,
        bytesResent,
        rttMs,
      })),
      events: this.#events,
    };
  }

  async #run(): Promise<void> {
    for await (const event of this.#session.events()) {
      if (this.#events.length >= MAX_EVENTS) continue;
      const where = "path" in event ? (event.path?.address ?? "") : "address" in event ? event.address : "";
      this.#events.push(`${Math.round(epochMs() - this.#beganAt)} ms ${event.type} ${where} ${event.reason}`.trim());
    }
  }
}
