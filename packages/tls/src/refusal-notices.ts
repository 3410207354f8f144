/** Time between two notices of refused connections, in milliseconds: whoever knocks in numbers shall not fill the log. */
const NOTICE_INTERVAL_MS = 10_000;

/** Says which connections were refused, and why; of many within a short time only the first, and later how many there were. */
export class RefusalNotices {
  readonly #tell: (message: string) => void;
  readonly #now: () => number;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #unsaid = 0;

  constructor(tell: (message: string) => void, now: () => number = () => performance.now()) {
    this.#tell = tell;
    this.#now = now;
  }

  add(remote: string, why: string): void {
    const now = this.#now();
    if (now - this.#saidAtMs < NOTICE_INTERVAL_MS) {
      this.#unsaid += 1;
      return;
    }
    const others = this.#unsaid === 0 ? "" : ` (and ${this.#unsaid} others since the last notice)`;
    this.#saidAtMs = now;
    this.#unsaid = 0;
    this.#tell(`refused a connection from ${remote}: ${why}${others}`);
  }
}
