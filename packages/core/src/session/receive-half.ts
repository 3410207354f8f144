import { errorName, type StreamEntry } from "@kwik/proto";
import type { ReceiveStream } from "../api/contract.ts";
import { checkCode, codeOf } from "../api/application-code.ts";
import { KwikError, StreamError } from "../api/errors.ts";
import type { SessionDriver } from "../driver/session-driver.ts";

interface Waiter {
  resolve(value: Uint8Array | null): void;
  reject(reason: unknown): void;
}

/** The reading half of a stream over the state machine. */
export class ReceiveHalf implements ReceiveStream {
  readonly id: bigint;
  readonly #entry: StreamEntry;
  readonly #driver: SessionDriver;
  #waiter: Waiter | undefined;
  #error: KwikError | undefined;
  #readable: ReadableStream<Uint8Array> | undefined;

  constructor(entry: StreamEntry, driver: SessionDriver) {
    this.id = BigInt(entry.id);
    this.#entry = entry;
    this.#driver = driver;
  }

  read(): Promise<Uint8Array | null> {
    if (this.#waiter !== undefined) return Promise.reject(new KwikError("INVALID_ARGUMENT", "a read is already waiting on this stream"));
    const outcome = this.#take();
    if (outcome instanceof KwikError) return Promise.reject(outcome);
    if (outcome !== undefined) return Promise.resolve(outcome);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  stopReading(code: number): void {
    checkCode(code);
    if (this.#error !== undefined) return;
    this.#driver.session.stopReading(this.#entry, code);
    this.fail(new StreamError("APPLICATION", `reading was stopped here with code ${code}`, this.id, code));
    this.#driver.schedule();
  }

  get readable(): ReadableStream<Uint8Array> {
    this.#readable ??= new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const data = await this.read();
          if (data === null) controller.close();
          else controller.enqueue(data);
        },
        cancel: (reason) => this.stopReading(codeOf(reason)),
      },
      { highWaterMark: 0 },
    );
    return this.#readable;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    let isAtEnd = false;
    try {
      for (let data = await this.read(); data !== null; data = await this.read()) yield data;
      isAtEnd = true;
    } finally {
      // Leaving the loop early is the reader's way to say that it wants no more.
      if (!isAtEnd) this.stopReading(0);
    }
  }

  /** The state machine says that something changed. */
  update(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    const outcome = this.#take();
    if (outcome === undefined) return;
    this.#waiter = undefined;
    if (outcome instanceof KwikError) waiter.reject(outcome);
    else waiter.resolve(outcome);
  }

  /** Ends this half for the application; what has arrived in order can still be read unless it was dropped. */
  fail(error: KwikError): void {
    this.#error ??= error;
    this.update();
  }

  /** Whether reading has earned credit that is to be announced, or moved a content on. */
  #hasEarned(): boolean {
    const { peer, contributors } = this.#entry;
    return !peer.frames.isEmpty || contributors !== undefined || this.#driver.session.content.hasFetches;
  }

  #take(): Uint8Array | null | KwikError | undefined {
    const { receive } = this.#entry;
    if (receive === undefined) return null;
    if (receive.stopCode === undefined && receive.resetCode === undefined) {
      const data = this.#driver.session.read(this.#driver.runtime.now(), this.#entry);
      if (data !== undefined) {
        if (this.#hasEarned()) this.#driver.schedule();
        return data;
      }
      if (receive.isFinished) return null;
    }
    if (this.#error !== undefined) return this.#error;
    const code = receive.resetCode;
    if (code !== undefined) {
      return new StreamError("APPLICATION", `the other side reset the stream with code ${code}`, this.id, code, { remote: true });
    }
    const { failure } = this.#entry;
    if (failure !== undefined) return new StreamError(errorName(failure.code), failure.reason, this.id, failure.code, { remote: true });
    return undefined;
  }
}
