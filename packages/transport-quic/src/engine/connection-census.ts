import { quicBinding } from "./binding.ts";

/** How often the engine's count is read while something is sent, at most, in milliseconds. One reading costs about 40 µs. */
const MIN_INTERVAL_MS = 5;

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
  #readAt = Number.NEGATIVE_INFINITY;
  #isArmed = false;
  readonly #onTurn = (): void => {
    if (performance.now() - this.#readAt < MIN_INTERVAL_MS) {
      setTimeout(this.#onTurn, MIN_INTERVAL_MS).unref();
      return;
    }
    this.#isArmed = false;
    if (this.#listeners > 0) this.read();
  };

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

  /** Something is sent in this turn of the event loop: look at its end, or a little later. */
  touch(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(this.#onTurn);
  }

  /** Reads the engine's count; answers whether it agrees. */
  read(): boolean {
    const agrees = acceptedConnections() === this.#heard;
    this.#readAt = performance.now();
    if (agrees) this.#agreedAt = this.#readAt;
    return agrees;
  }
}

/** The count is the process's, so the census is. */
export const connectionCensus = new ConnectionCensus();

function acceptedConnections(): number {
  return quicBinding().runtimeTelemetry().rawQuicServerSessionsOpened;
}
