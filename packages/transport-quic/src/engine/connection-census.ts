import { quicBinding } from "./binding.ts";

/**
 * Tells whether this thread has heard of every connection that the engine has accepted. The engine's count is true at once, its
 * events wait in a queue; as long as both numbers agree, no handle can have changed its owner unheard.
 *
 * Other users of the engine in this process make the numbers differ for good; then it never says yes, and handles are verified singly.
 */
export class ConnectionCensus {
  #listeners = 0;
  #heard = 0;
  #agreedAt = Number.NEGATIVE_INFINITY;

  /** The last time at which both numbers agreed, in milliseconds of `performance.now`. */
  get agreedAt(): number {
    return this.#agreedAt;
  }

  /** To be called before a server is made. */
  addListener(): void {
    if (this.#listeners === 0) this.#heard = acceptedConnections();
    this.#listeners += 1;
  }

  removeListener(): void {
    this.#listeners -= 1;
  }

  /** The engine's event of a new connection was heard. */
  onConnection(): void {
    this.#heard += 1;
  }

  /** Reads the engine's count, which costs about 40 µs; answers whether it agrees. */
  read(): boolean {
    // The time is taken first: the count may grow while it is read.
    const now = performance.now();
    if (acceptedConnections() !== this.#heard) return false;
    this.#agreedAt = now;
    return true;
  }
}

/** The count is the process's, so the census is. */
export const connectionCensus = new ConnectionCensus();

function acceptedConnections(): number {
  return quicBinding().runtimeTelemetry().rawQuicServerSessionsOpened;
}
