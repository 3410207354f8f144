import type { ListenRequest, RefusalReason } from "@kwik/core";

/** Time between two notices of refused connections, in milliseconds: whoever knocks in numbers shall not fill the log. */
const NOTICE_INTERVAL_MS = 10_000;

/** Counts the connections that were refused, and says which and why; of many within a short time only the first, and later how many there were. */
export class RefusalNotices {
  readonly #request: Pick<ListenRequest, "onNotice" | "onRefused">;
  readonly #now: () => number;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #unsaid = 0;

  constructor(request: Pick<ListenRequest, "onNotice" | "onRefused">, now: () => number = () => performance.now()) {
    this.#request = request;
    this.#now = now;
  }

  add(remote: string, why: string, reason: RefusalReason = "handshake"): void {
    this.#request.onRefused?.(remote, reason);
    const now = this.#now();
    if (now - this.#saidAtMs < NOTICE_INTERVAL_MS) {
      this.#unsaid += 1;
      return;
    }
    const others = this.#unsaid === 0 ? "" : ` (and ${this.#unsaid} others since the last notice)`;
    this.#saidAtMs = now;
    this.#unsaid = 0;
    this.#request.onNotice?.(`refused a connection from ${remote}: ${why}${others}`);
  }
}
