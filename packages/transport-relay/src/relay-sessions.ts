import { type ClientSession, type DialOptions, KwikError } from "@kwik/core";
import type { RelayPlace } from "./relay-place.ts";

/** Dials a relay; never through another one. */
export type RelayDial = (target: string, options: DialOptions) => Promise<ClientSession>;

/** A use of a session with a relay. */
export interface RelayLease {
  readonly session: ClientSession;
  /** The use is over; with the last one the session is. Idempotent. */
  readonly release: () => void;
}

interface Entry {
  readonly session: Promise<ClientSession>;
  uses: number;
}

/**
 * What a session with a relay takes upon itself: a relay only carries streams that the client opens. It ends with its paths, since whoever is carried has a
 * liveness of its own. The room for paths is for the change of transport. spec: RELAY-8, RELAY-9
 */
const RELAY_SESSION = {
  limits: { graceMs: 0, maxStreams: 0, maxDatagramQueue: 1, maxContentWindowBytes: 0 },
  pathPolicy: { maxPaths: 3, allow: () => false },
} satisfies DialOptions;

/** One session with each relay, for as long as links use it. */
export class RelaySessions {
  readonly #dial: RelayDial;
  readonly #entries = new Map<string, Entry>();

  constructor(dial: RelayDial) {
    this.#dial = dial;
  }

  /** The session with a relay; dials if there is none. Rejects as `dial`, and with ABORTED when the signal says so. */
  async lease(relay: RelayPlace, timeoutMs: number, signal: AbortSignal): Promise<RelayLease> {
    const entry = this.#entries.get(relay.key) ?? this.#begin(relay, timeoutMs);
    entry.uses += 1;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      entry.uses -= 1;
      if (entry.uses === 0) this.#end(relay, entry);
    };
    try {
      return { session: await unlessAborted(entry.session, signal), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #begin(relay: RelayPlace, timeoutMs: number): Entry {
    const { limits, pathPolicy } = RELAY_SESSION;
    const options = { ...relay.dialOptions, pathPolicy, limits: { ...limits, handshakeTimeoutMs: timeoutMs } };
    const target = relay.name.includes("://") ? relay.name : `kwik://${relay.name}`;
    const entry: Entry = { session: this.#dial(target, options), uses: 0 };
    this.#entries.set(relay.key, entry);
    entry.session.then(
      (session) => void this.#watch(relay, entry, session),
      () => this.#forget(relay, entry),
    );
    return entry;
  }

  /** A session that is over, or will be soon, gets no further links. */
  async #watch(relay: RelayPlace, entry: Entry, session: ClientSession): Promise<void> {
    for await (const event of session.events()) if (event.type === "going-away") this.#forget(relay, entry);
    this.#forget(relay, entry);
  }

  #end(relay: RelayPlace, entry: Entry): void {
    this.#forget(relay, entry);
    entry.session.then(
      (session) => session.close(),
      () => undefined,
    );
  }

  #forget(relay: RelayPlace, entry: Entry): void {
    if (this.#entries.get(relay.key) === entry) this.#entries.delete(relay.key);
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new KwikError("ABORTED", "the dial was aborted", { cause: signal.reason }));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
