import { createHash } from "node:crypto";
import type { X509Certificate } from "node:crypto";

/** Sessions kept, at most; about 5 KB each. The one that was kept longest goes first. */
const MAX_SESSIONS = 500;

/** What it takes to resume a connection, and to know with whom. */
export interface KeptSession {
  readonly ticket: Buffer;
  /** What the server showed when it was believed. */
  readonly certificate: X509Certificate;
}

/** The sessions of one kind of trust. Only connections to servers that were believed put one there. */
export interface SessionPlace {
  /** Takes a session out, for one use. `where` is "ip:port". */
  take(where: string): KeptSession | undefined;
  put(where: string, session: KeptSession): void;
}

/**
 * TLS sessions for resumption, in memory. A resumed connection carries over that the chain was verified under the authorities of the first
 * one, so a session is used only for exactly the same address and trust.
 */
export class TlsSessions {
  readonly #sessions = new Map<string, KeptSession>();

  get size(): number {
    return this.#sessions.size;
  }

  /** `trust` is everything that decides whether a server is believed, and who the client says it is. */
  placeFor(trust: readonly unknown[]): SessionPlace {
    const kind = createHash("sha256").update(JSON.stringify(trust)).digest("hex");
    return {
      take: (where) => {
        const key = `${where} ${kind}`;
        const session = this.#sessions.get(key);
        // Used twice, a ticket would show an observer that the two connections have one client.
        this.#sessions.delete(key);
        return session;
      },
      put: (where, session) => {
        const key = `${where} ${kind}`;
        this.#sessions.delete(key);
        if (this.#sessions.size >= MAX_SESSIONS) this.#forgetOldest();
        this.#sessions.set(key, session);
      },
    };
  }

  #forgetOldest(): void {
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }
}
