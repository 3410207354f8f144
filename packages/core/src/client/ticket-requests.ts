import type { PathId, SessionEvent } from "@kwik/proto";
import type { SessionDriver } from "../driver/session-driver.ts";

export type Ticket = Extract<SessionEvent, { type: "ticket" }>;

/** How long a wanted ticket is waited for before the server is joined without one, or the path given up. */
const TICKET_WAIT_MS = 2_000;

/** Tickets that a client has asked for, by the path that needs them. */
export class TicketRequests {
  readonly #driver: SessionDriver;
  readonly #waiting = new Map<PathId, (ticket: Ticket | undefined) => void>();

  constructor(driver: SessionDriver) {
    this.#driver = driver;
  }

  /** Asks for a ticket; undefined if none came in time, or nobody can be asked. */
  request(pathId: PathId, identity: string): Promise<Ticket | undefined> {
    const { runtime, session } = this.#driver;
    return new Promise((resolve) => {
      const timer = runtime.setTimer(() => give(undefined), TICKET_WAIT_MS);
      const give = (ticket: Ticket | undefined): void => {
        runtime.clearTimer(timer);
        this.#waiting.delete(pathId);
        resolve(ticket);
      };
      this.#waiting.set(pathId, give);
      // While the session has no path nobody answers.
      if (session.lifecycle.isSuspended || session.clientPaths?.requestTicket(pathId, identity) !== true) give(undefined);
      this.#driver.schedule();
    });
  }

  answered(ticket: Ticket): void {
    this.#waiting.get(ticket.pathId)?.(ticket);
  }

  stop(): void {
    for (const give of this.#waiting.values()) give(undefined);
  }
}
