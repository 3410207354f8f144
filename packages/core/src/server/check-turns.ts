import type { RateTable } from "./rate-table.ts";

/** On whose behalf a turn is waited for. */
export interface Waiting {
  /** Told when nobody is there any more who would take it. */
  onOver: (() => void) | undefined;
}

/**
 * Checks of what clients show, of one prefix no more at once than may still be found wrong: each that is under way counts as failed until it is known not to
 * be, so that many at once find no more than one after the other would. Further ones wait until one of those is over, since most are not wrong.
 */
export class CheckTurns {
  readonly #failures: RateTable;
  readonly #maxUnderWay: number;
  readonly #now: () => number;
  readonly #prefixes = new Map<string, Turns>();

  /** `maxUnderWay`: also where what may be wrong grows back while they last. */
  constructor(failures: RateTable, maxUnderWay: number, now: () => number) {
    this.#failures = failures;
    this.#maxUnderWay = Math.max(1, maxUnderWay);
    this.#now = now;
  }

  /** Resolves with undefined when a check may begin, which is to be told by `end` when it is over; else with the milliseconds until another is allowed; 0 if `who` is gone. */
  async begin(prefix: string, who: Waiting): Promise<number | undefined> {
    for (;;) {
      const turns = this.#prefixes.get(prefix) ?? { underWay: 0, waiting: new Set() };
      const wait = turns.underWay >= this.#maxUnderWay ? 0 : this.#failures.take(prefix, this.#now());
      if (wait === undefined) {
        turns.underWay += 1;
        this.#prefixes.set(prefix, turns);
        return undefined;
      }
      // All that may be wrong has been.
      if (turns.underWay === 0) return wait;
      const isOver = await new Promise<boolean>((resolve) => {
        const wake = (): void => resolve(false);
        turns.waiting.add(wake);
        who.onOver = () => {
          // Who was woken before takes its turn, and gives it back.
          if (turns.waiting.delete(wake)) resolve(true);
        };
      });
      who.onOver = undefined;
      if (isOver) return 0;
    }
  }

  /** A check that `begin` allowed is over. */
  end(prefix: string, isWrong: boolean): void {
    const turns = this.#prefixes.get(prefix);
    if (turns === undefined) return;
    turns.underWay -= 1;
    if (turns.underWay === 0) this.#prefixes.delete(prefix);
    if (!isWrong) this.#failures.giveBack(prefix);
    // Nobody will wake those who wait when the last one is over.
    const most = turns.underWay === 0 ? turns.waiting.size : isWrong ? 0 : 1;
    for (const wake of [...turns.waiting].slice(0, most)) {
      turns.waiting.delete(wake);
      wake();
    }
  }

  /** Something was found wrong of which no check was allowed. */
  failed(prefix: string): void {
    this.#failures.take(prefix, this.#now());
  }
}

interface Turns {
  underWay: number;
  readonly waiting: Set<() => void>;
}
