import { errorName, type StreamEntry } from "@kwik/proto";
import type { ReceiveStream } from "../api/contract.ts";
import { checkCode, codeOf } from "../api/application-code.ts";
import { byteProblem } from "../api/byte-argument.ts";
import { KwikError, StreamError } from "../api/errors.ts";
import type { SessionDriver } from "../driver/session-driver.ts";

/** What a reader gets: bytes or null for `read`, a count for `readInto`, 0 for `readReady`. */
type Taken = Uint8Array | number | null;

/** Where a reader wants the bytes: where they are (undefined) for `read`, nowhere yet (null) for `readReady`. */
type Target = Uint8Array | undefined | null;

interface Waiter {
  readonly target: Target;
  resolve(value: Taken): void;
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
  /** Of the web stream, until that is over. */
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #isPulling = false;

  constructor(entry: StreamEntry, driver: SessionDriver) {
    this.id = BigInt(entry.id);
    this.#entry = entry;
    this.#driver = driver;
  }

  read(): Promise<Uint8Array | null> {
    return this.#next(undefined) as Promise<Uint8Array | null>;
  }

  readInto(target: Uint8Array): Promise<number> {
    const problem = problemOf(target);
    if (problem !== undefined) return Promise.reject(problem);
    return this.#next(target) as Promise<number>;
  }

  readNow(target: Uint8Array): number | undefined {
    const problem = this.#waiter === undefined ? problemOf(target) : alreadyReading();
    if (problem !== undefined) throw problem;
    const outcome = this.#take(target);
    if (outcome instanceof KwikError) throw outcome;
    return outcome as number | undefined;
  }

  readReady(): Promise<void> {
    return this.#next(null) as Promise<unknown> as Promise<void>;
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
        start: (controller) => {
          this.#controller = controller;
          this.#endReadable();
        },
        pull: (controller) => this.#pull(controller),
        cancel: (reason) => {
          this.#controller = undefined;
          this.stopReading(codeOf(reason));
        },
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
    if (waiter === undefined) {
      this.#endReadable();
      return;
    }
    const outcome = this.#take(waiter.target);
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

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#isPulling = true;
    try {
      const data = await this.read();
      if (data !== null && this.#controller !== undefined) controller.enqueue(data);
    } catch (error) {
      // The rejection ends the web stream: it takes no other end after that.
      this.#controller = undefined;
      throw error;
    } finally {
      this.#isPulling = false;
    }
    this.#endReadable();
  }

  /** Whoever waits for the end of the web stream without reading hears of it when nothing is left to be read. */
  #endReadable(): void {
    const controller = this.#controller;
    if (controller === undefined || this.#isPulling) return;
    const ending = this.#ending();
    if (ending === undefined) return;
    this.#controller = undefined;
    if (ending === "finished") controller.close();
    else controller.error(ending);
  }

  /** Whether reading has earned credit that is to be announced, or moved a content on. */
  #hasEarned(): boolean {
    const { peer, contributors } = this.#entry;
    return !peer.frames.isEmpty || contributors !== undefined || this.#driver.session.content.hasFetches;
  }

  #next(target: Target): Promise<Taken> {
    if (this.#waiter !== undefined) return Promise.reject(alreadyReading());
    const outcome = this.#take(target);
    if (outcome instanceof KwikError) return Promise.reject(outcome);
    if (outcome !== undefined) return Promise.resolve(outcome);
    return new Promise((resolve, reject) => {
      this.#waiter = { target, resolve, reject };
    });
  }

  /** What is here for a reader; undefined if it has to wait. */
  #take(target: Target): Taken | KwikError | undefined {
    const { receive } = this.#entry;
    // Its memory may have gone while it waited.
    const problem = target === undefined || target === null ? undefined : problemOf(target);
    if (problem !== undefined) return problem;
    if (receive !== undefined && receive.stopCode === undefined && receive.resetCode === undefined) {
      const taken = target !== null ? this.#read(target) : receive.readableBytes > 0 ? 0 : undefined;
      if (taken !== undefined) {
        if (this.#hasEarned()) this.#driver.schedule();
        return taken;
      }
    }
    const ending = this.#ending();
    if (ending !== "finished") return ending;
    return target === undefined ? null : 0;
  }

  /** How reading has ended, or undefined while bytes are here or may come. */
  #ending(): KwikError | "finished" | undefined {
    const { receive } = this.#entry;
    if (receive === undefined) return "finished";
    if (receive.stopCode === undefined && receive.resetCode === undefined) {
      if (receive.readableBytes > 0) return undefined;
      if (receive.isFinished) return "finished";
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

  #read(target: Uint8Array | undefined): Uint8Array | number | undefined {
    const { session, runtime } = this.#driver;
    if (target === undefined) return session.read(runtime.now(), this.#entry);
    const bytes = session.readInto(runtime.now(), this.#entry, target);
    return bytes === 0 ? undefined : bytes;
  }
}

function alreadyReading(): KwikError {
  return new KwikError("INVALID_ARGUMENT", "a read is waiting already");
}

/** What makes a target of no use. */
function problemOf(target: Uint8Array): KwikError | undefined {
  const problem = byteProblem(target, "readInto");
  if (problem !== undefined || target.length > 0) return problem;
  return new KwikError("INVALID_ARGUMENT", "readInto needs a target of at least one byte that stays");
}
