import type { ContentSource, ContentStore } from "kwik";

/** After a pause this much may go at once, in milliseconds of the rate. */
const BURST_MS = 50;
/** Timers are no finer than this. */
const TIMER_MS = 1;

/** Lets bytes through at a rate, in the order in which they were asked for. */
export class BytePacer {
  readonly #bytesPerMs: number;
  readonly #now: () => number;
  readonly #sleep: (ms: number) => Promise<void>;
  /** When everything that was let through has been paid for. */
  #paidAt = -Infinity;

  constructor(bytesPerSecond: number, clock: { now(): number; sleep(ms: number): Promise<void> } = systemClock) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#now = () => clock.now();
    this.#sleep = (ms) => clock.sleep(ms);
  }

  /** Resolves when `bytes` may go. */
  take(bytes: number): Promise<void> {
    const now = this.#now();
    const start = Math.max(this.#paidAt, now - BURST_MS);
    this.#paidAt = start + bytes / this.#bytesPerMs;
    const waitMs = this.#paidAt - now;
    return waitMs < TIMER_MS ? Promise.resolve() : this.#sleep(waitMs);
  }
}

/** The same contents, read no faster than `pacer` allows. */
export function pacedStore(store: ContentStore, pacer: BytePacer | undefined): ContentStore {
  if (pacer === undefined) return store;
  return {
    open: async (id, request) => {
      const source = await store.open(id, request);
      return source === undefined ? undefined : new PacedSource(source, pacer);
    },
  };
}

class PacedSource implements ContentSource {
  readonly #source: ContentSource;
  readonly #pacer: BytePacer;

  constructor(source: ContentSource, pacer: BytePacer) {
    this.#source = source;
    this.#pacer = pacer;
  }

  get id(): string {
    return this.#source.id;
  }

  get version(): string {
    return this.#source.version;
  }

  get length(): bigint {
    return this.#source.length;
  }

  async read(offset: bigint, length: number): Promise<Uint8Array> {
    await this.#pacer.take(length);
    return this.#source.read(offset, length);
  }

  hashes(blockBytes: number): Promise<readonly Uint8Array[]> {
    if (this.#source.hashes !== undefined) return this.#source.hashes(blockBytes);
    return Promise.reject(new Error("no hashes are kept for this content"));
  }

  async close(): Promise<void> {
    await this.#source.close?.();
  }
}

const systemClock = {
  now: (): number => performance.now(),
  sleep: (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms)),
};
