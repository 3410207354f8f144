import { SessionClosedError } from "../api/errors.ts";
import type { SessionEvent } from "../api/stats.ts";
import { AsyncQueue } from "./async-queue.ts";

/** Events that wait for a slow reader, at most; the oldest go first. */
const MAX_WAITING_EVENTS = 1024;

/** Those who read a session's events, each at its own pace. */
export class EventReaders {
  readonly #readers = new Set<AsyncQueue<SessionEvent>>();

  /** What happens from now on; nothing more if the session has ended with `endError`. */
  begin(endError: SessionClosedError | undefined): AsyncIterable<SessionEvent> {
    // Not in the generator, whose body waits for the first `next`: what happens from now on is what the caller wants to hear of.
    const queue = new AsyncQueue<SessionEvent>();
    this.#readers.add(queue);
    if (endError !== undefined) queue.end(endError);
    return this.#eventsOf(queue);
  }

  publish(event: SessionEvent): void {
    for (const reader of this.#readers) {
      if (reader.length >= MAX_WAITING_EVENTS) reader.poll();
      reader.push(event);
    }
  }

  /** The session has ended. */
  end(error: SessionClosedError): void {
    for (const reader of this.#readers) reader.end(error);
  }

  async *#eventsOf(queue: AsyncQueue<SessionEvent>): AsyncIterable<SessionEvent> {
    try {
      for (;;) yield await queue.next();
    } catch (error) {
      if (!(error instanceof SessionClosedError)) throw error;
    } finally {
      this.#readers.delete(queue);
    }
  }
}
