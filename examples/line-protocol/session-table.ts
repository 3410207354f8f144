import { randomBytes } from "node:crypto";
import { FORMS_MARK } from "./payload-form.ts";
import { Refusal } from "./refusal.ts";
import { Session, type SessionSurroundings } from "./session.ts";

/** 128 bits cannot be guessed: whoever knows an id is in the session. */
const ID_BYTES = 16;

interface Entry {
  readonly session: Session;
  connections: number;
  /** Runs while there is no connection. */
  expiry: NodeJS.Timeout | undefined;
}

/** The sessions of a server. One without connections is kept for a while, so that a client can come back. */
export class SessionTable {
  readonly #surroundings: SessionSurroundings;
  readonly #entries = new Map<string, Entry>();

  constructor(surroundings: SessionSurroundings) {
    this.#surroundings = surroundings;
  }

  /** A new session, with one connection in it. Throws TOO_MANY_SESSIONS. */
  begin(): Session {
    if (this.#entries.size >= this.#surroundings.limits.maxSessions) throw new Refusal("TOO_MANY_SESSIONS");
    const id = `${randomBytes(ID_BYTES).toString("hex")}${FORMS_MARK}`;
    const session = new Session(id, this.#surroundings);
    this.#entries.set(id, { session, connections: 1, expiry: undefined });
    return session;
  }

  /** Puts one more connection into a session. Throws UNKNOWN_SESSION. */
  join(id: string): Session {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Refusal("UNKNOWN_SESSION");
    entry.connections += 1;
    clearTimeout(entry.expiry);
    return entry.session;
  }

  /** Takes one connection out of a session. */
  leave(session: Session): void {
    const entry = this.#entries.get(session.id);
    if (entry === undefined || (entry.connections -= 1) > 0) return;
    entry.expiry = setTimeout(() => {
      this.#entries.delete(session.id);
      session.end();
    }, this.#surroundings.limits.sessionTimeoutMs);
  }

  /** Stops waiting for clients that may come back. */
  stop(): void {
    for (const entry of this.#entries.values()) clearTimeout(entry.expiry);
    this.#entries.clear();
  }
}
