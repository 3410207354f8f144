import type { Runtime } from "../driver/runtime.ts";

/** A call that is under way. */
export interface Turn {
  /** The call was answered. Once is enough; more does nothing. */
  end(): void;
}

/**
 * Turns for calls of a hook of the application, so many at once over all sessions. One network has at most as many as it leaves to others, so that whoever makes a hook slow never has all of them;
 * of those that wait, the network with the fewest comes first, then the session with the fewest, then who has waited longest. A turn ends with its answer, or after `timeoutMs`, and not sooner because
 * its client has left: what runs for a client that is gone runs all the same. docs/decisions/0050-calls-of-hooks-in-all.md
 */
export class FairTurns {
  readonly #max: number;
  readonly #timeoutMs: number;
  readonly #runtime: Runtime;
  readonly #underWayOf = new Map<unknown, number>();
  readonly #waiting = new Map<TurnShare, () => void>();
  readonly #timers = new Set<unknown>();
  #underWay = 0;
  #isWaking = false;

  constructor(max: number, timeoutMs: number, runtime: Runtime) {
    this.#max = Math.max(1, max);
    this.#timeoutMs = timeoutMs;
    this.#runtime = runtime;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** The part of one session, or of one client that has none yet. `network` is undefined for one that many clients come through. */
  share(network: string | undefined): TurnShare {
    return new TurnShare(this, network);
  }

  /** Nobody is asked any more: lets go of the timers. */
  stop(): void {
    for (const timer of this.#timers) this.#runtime.clearTimer(timer);
    this.#timers.clear();
    this.#waiting.clear();
  }

  /** For `TurnShare`. */
  begin(share: TurnShare, onLate: (afterMs: number) => void): Turn | undefined {
    if (!this.#isAllowed(share)) return undefined;
    this.#count(share, 1);
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      this.#runtime.clearTimer(timer);
      this.#timers.delete(timer);
      this.#count(share, -1);
      this.#wake();
    };
    const timer = this.#runtime.setTimer(() => {
      onLate(this.#timeoutMs);
      end();
    }, this.#timeoutMs);
    this.#timers.add(timer);
    return { end };
  }

  /** For `TurnShare`. */
  wait(share: TurnShare, onTurn: () => void): void {
    this.#waiting.set(share, onTurn);
  }

  /** For `TurnShare`. */
  leave(share: TurnShare): void {
    this.#waiting.delete(share);
  }

  #count(share: TurnShare, change: 1 | -1): void {
    this.#underWay += change;
    share.underWay += change;
    const ofNetwork = this.#ofNetwork(share) + change;
    if (ofNetwork > 0) this.#underWayOf.set(share.network, ofNetwork);
    else this.#underWayOf.delete(share.network);
  }

  #ofNetwork(share: TurnShare): number {
    return this.#underWayOf.get(share.network) ?? 0;
  }

  #isAllowed(share: TurnShare): boolean {
    return this.#ofNetwork(share) < this.#max - this.#underWay;
  }

  #wake(): void {
    // What is woken may end its turn at once: the loop that runs already sees to it.
    if (this.#isWaking) return;
    this.#isWaking = true;
    for (let next = this.#next(); next !== undefined && this.#isAllowed(next); next = this.#next()) {
      const onTurn = this.#waiting.get(next);
      this.#waiting.delete(next);
      onTurn?.();
    }
    this.#isWaking = false;
  }

  #next(): TurnShare | undefined {
    let best: TurnShare | undefined;
    for (const share of this.#waiting.keys()) if (best === undefined || this.#isBefore(share, best)) best = share;
    return best;
  }

  #isBefore(one: TurnShare, other: TurnShare): boolean {
    const difference = this.#ofNetwork(one) - this.#ofNetwork(other);
    return difference < 0 || (difference === 0 && one.underWay < other.underWay);
  }
}

/** The part that one session has in the turns of all. */
export class TurnShare {
  /** Whom it counts with: itself alone, if its network is that of many. */
  readonly network: unknown;
  underWay = 0;
  readonly #turns: FairTurns;

  constructor(turns: FairTurns, network: string | undefined) {
    this.#turns = turns;
    this.network = network ?? this;
  }

  /** Takes a turn; undefined if it has to wait. `onLate` is told when its time is over. */
  begin(onLate: (afterMs: number) => void): Turn | undefined {
    return this.#turns.begin(this, onLate);
  }

  /** Tells once when a turn may be begun. */
  wait(onTurn: () => void): void {
    this.#turns.wait(this, onTurn);
  }

  /** Waits no more. Turns that are under way go on. */
  leave(): void {
    this.#turns.leave(this);
  }
}
