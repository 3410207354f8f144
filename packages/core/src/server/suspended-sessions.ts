/** What a session without a path has to be able to do here. */
export interface SuspendedSession {
  /** Ends, since its client is away. */
  giveUp(reason: string): void;
}

/**
 * The sessions of a listener that have no path: how many there may be, and what became of them. Each belongs to a party, the network or the client that it counts with: beyond the limit whoever has
 * most of them loses its oldest, so that nobody who fills the places takes those of others. spec: RESUME-8
 */
export class SuspendedSessions {
  readonly #max: number;
  /** The one that has waited longest first, and its party. */
  readonly #waiting = new Map<SuspendedSession, string>();
  readonly #countOf = new Map<string, number>();
  resumed = 0;
  expired = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** A session has lost its last path. */
  suspended(session: SuspendedSession, party: string): void {
    if (this.#waiting.has(session)) return;
    this.#waiting.set(session, party);
    this.#countOf.set(party, (this.#countOf.get(party) ?? 0) + 1);
    if (this.#waiting.size <= this.#max) return;
    this.#victim()?.giveUp(`more than ${this.#max} sessions without a path (limits.maxSuspendedSessions)`);
  }

  hasPath(session: SuspendedSession): void {
    if (this.#remove(session)) this.resumed += 1;
  }

  ended(session: SuspendedSession, isExpired: boolean): void {
    if (this.#remove(session) && isExpired) this.expired += 1;
  }

  /** The oldest of the party that has most; of parties that have as many, of the one that has waited longest. */
  #victim(): SuspendedSession | undefined {
    let most = 0;
    for (const count of this.#countOf.values()) most = Math.max(most, count);
    for (const [session, party] of this.#waiting) if (this.#countOf.get(party) === most) return session;
    return undefined;
  }

  #remove(session: SuspendedSession): boolean {
    const party = this.#waiting.get(session);
    if (party === undefined) return false;
    this.#waiting.delete(session);
    const left = (this.#countOf.get(party) ?? 1) - 1;
    if (left > 0) this.#countOf.set(party, left);
    else this.#countOf.delete(party);
    return true;
  }
}
