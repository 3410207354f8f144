import { errorName, type StreamEntry, type StreamSender } from "@kwik/proto";
import type { SendStream } from "../api/contract.ts";
import { checkCode, codeOf } from "../api/application-code.ts";
import { byteProblem } from "../api/byte-argument.ts";
import { KwikError, StreamError } from "../api/errors.ts";
import { checkPriority } from "../api/priority.ts";
import type { Gatherer, Resting, SessionDriver } from "../driver/session-driver.ts";
import type { BudgetUser, SendBudget } from "./send-budget.ts";
import type { SlabPool } from "./slab-pool.ts";
import { stopErrorOf } from "./stop-error.ts";
import { WriteBuffer } from "./write-buffer.ts";

/**
 * `write` waits while this much was written and not yet sent: enough for two packets, and no more than stays in the processor's cache
 * until they leave.
 */
const UNSENT_BYTES = 256 * 1024;
/** The same for all streams that have something to send to one peer, in equal parts: more of it would fall out of the cache. */
const SHARED_UNSENT_BYTES = 4 * 1024 * 1024;
/** What each may have of it in any case. */
const MIN_UNSENT_BYTES = 64 * 1024;

/** The writing half of a stream over the state machine. */
export class SendHalf implements SendStream, Gatherer, Resting, BudgetUser {
  readonly id: bigint;
  readonly #entry: StreamEntry;
  readonly #sender: StreamSender;
  readonly #driver: SessionDriver;
  readonly #maxBufferBytes: number;
  readonly #budget: SendBudget;
  /** What the session's budget knows of. */
  #budgetedBytes = 0;
  readonly #buffer: WriteBuffer;
  readonly #handOn: (bytes: Uint8Array) => number;
  #waiting: { resolve: () => void; reject: (reason: unknown) => void }[] = [];
  #closing: { resolve: () => void; reject: (reason: unknown) => void }[] = [];
  #flushing: { resolve: () => void; reject: (reason: unknown) => void }[] = [];
  #crediting: { readonly above: number; readonly resolve: (isOpen: boolean) => void }[] = [];
  #failing: ((error: KwikError | undefined) => void)[] = [];
  #error: KwikError | undefined;
  /** Those who wait go on when less than this is unsent; as it was when the last of them began to wait. */
  #wakeBelowBytes = 0;
  #isClosed = false;
  #isGathering = false;
  #isResting = false;
  #writable: WritableStream<Uint8Array> | undefined;
  #controller: WritableStreamDefaultController | undefined;

  constructor(entry: StreamEntry, sender: StreamSender, driver: SessionDriver, slabs: SlabPool, budget: SendBudget) {
    this.id = BigInt(entry.id);
    this.#entry = entry;
    this.#sender = sender;
    this.#driver = driver;
    this.#buffer = new WriteBuffer(slabs);
    this.#budget = budget;
    this.#maxBufferBytes = driver.session.state.limits.maxSendBufferBytes;
    this.#handOn = (bytes) => {
      this.#driver.session.write(this.#entry, bytes);
      return this.#sender.stream.writtenOffset;
    };
  }

  get priority(): number {
    return this.#sender.stream.priority;
  }

  set priority(value: number) {
    this.#driver.session.setPriority(this.#entry, checkPriority(value));
    this.#driver.schedule();
  }

  write(data: Uint8Array): Promise<void> {
    const problem = byteProblem(data, "write") ?? this.#endFor("write");
    if (problem !== undefined) return Promise.reject(problem);
    if (data.length > 0) {
      this.#buffer.append(data, this.#handOn);
      this.#gather();
      this.#account();
    }
    return this.#hasRoom() ? Promise.resolve() : this.#waitForRoom();
  }

  /** As `write`, for bytes that the caller gives away for good: no copy. */
  writeOwned(data: Uint8Array): Promise<void> {
    const problem = this.#endFor("write");
    if (problem !== undefined) return Promise.reject(problem);
    this.#flush();
    this.#handOn(data);
    this.#account();
    this.#driver.schedule();
    return this.#hasRoom() ? Promise.resolve() : this.#waitForRoom();
  }

  skip(bytes: number | bigint): void {
    const count = Number(bytes);
    if (!Number.isSafeInteger(count + this.writtenOffset) || count < 0)
      throw new KwikError("INVALID_ARGUMENT", `skip needs a whole number of bytes, up to offset 2^53 - 1 of the stream, not ${bytes}`);
    if (this.#driver.session.state.isClient)
      throw new KwikError("NOT_SUPPORTED", "only a server can leave bytes of its stream to other servers");
    this.#leaveOut(count, "skip");
    this.#driver.schedule();
  }

  /** Skips `bytes` that a content will bring; answers where they begin. */
  takePosition(bytes: number): number {
    return this.#leaveOut(bytes, "sendContent");
  }

  close(): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#flush();
      this.#driver.session.finish(this.#entry);
      this.#driver.schedule();
    }
    if (this.#sender.stream.state === "finished") return Promise.resolve();
    const closed = new Promise<void>((resolve, reject) => this.#closing.push({ resolve, reject }));
    // Who does not wait for the end must not lose the process to a peer that leaves before it has acknowledged it.
    closed.catch(() => {});
    return closed;
  }

  /** Resolves when everything written so far was acknowledged. */
  flushed(): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    this.#flush();
    this.#driver.schedule();
    if (this.#sender.stream.bufferedBytes === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#flushing.push({ resolve, reject }));
  }

  /** Resolves with why this half failed or is not read, or with undefined if it has come to its end and nobody said. */
  failed(): Promise<KwikError | undefined> {
    if (this.isDone) return Promise.resolve(this.#error ?? this.#stopError());
    return new Promise((resolve) => this.#failing.push(resolve));
  }

  /** The peer's credit: up to which offset it takes bytes now. */
  get creditOffset(): number {
    return this.#sender.stream.maxOffset;
  }

  /** Resolves with true when the peer's credit is more than `offset`, and with false if this half has ended before. */
  creditBeyond(offset: number): Promise<boolean> {
    if (this.isDone) return Promise.resolve(false);
    if (this.creditOffset > offset) return Promise.resolve(true);
    return new Promise((resolve) => this.#crediting.push({ above: offset, resolve }));
  }

  /** Where the next write goes. */
  get writtenOffset(): number {
    return this.#sender.stream.writtenOffset + this.#buffer.gatheredBytes;
  }

  reset(code: number): void {
    checkCode(code);
    this.giveUp(code, new StreamError("APPLICATION", `the stream was reset here with code ${code}`, this.id, code));
  }

  /** Resets the stream with `code`, because of `error`. */
  giveUp(code: number, error: KwikError): void {
    if (this.#error !== undefined || this.#sender.stream.state === "finished") return;
    this.#driver.session.reset(this.#entry, code);
    this.fail(error);
    this.#driver.schedule();
  }

  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= new WritableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          if (this.#error !== undefined) controller.error(this.#error);
        },
        write: (chunk) => this.#writeChunk(chunk),
        close: () => this.close(),
        abort: (reason) => this.reset(codeOf(reason)),
      },
      { highWaterMark: 1 },
    );
    return this.#writable;
  }

  /** What the web stream cannot take ends it without a word to its sink: the other side has to hear of it from here. */
  #writeChunk(chunk: Uint8Array): Promise<void> {
    const problem = byteProblem(chunk, "a writer");
    if (problem !== undefined) this.giveUp(0, problem);
    return this.write(chunk);
  }

  /** Bytes written and not acknowledged. */
  get bufferedBytes(): number {
    return this.#sender.stream.bufferedBytes + this.#buffer.gatheredBytes;
  }

  get isDone(): boolean {
    return this.#error !== undefined || this.#sender.stream.state === "finished";
  }

  /** The state machine says that something changed. */
  update(): void {
    const { stream } = this.#sender;
    this.#account();
    // Who stops reading after everything has arrived takes nothing back.
    const stopped = this.#error === undefined && stream.state !== "finished" ? this.#stopError() : undefined;
    if (stopped !== undefined) {
      this.fail(stopped);
      return;
    }
    const failure = this.#entry.failure ?? this.#entry.sendFailure;
    if (this.#error === undefined && failure !== undefined && stream.state !== "finished") {
      this.fail(new StreamError(errorName(failure.code), failure.reason, this.id, failure.code, { remote: true }));
      return;
    }
    if (this.#crediting.length > 0) this.#tellCredit();
    if (stream.resetCode === undefined) this.#buffer.recycle(stream.firstHeldOffset, stream.resentEnd);
    if (stream.bufferedBytes === 0) {
      this.#rest();
      if (this.#flushing.length > 0) for (const waiter of this.#flushing.splice(0)) waiter.resolve();
    }
    if (stream.state === "finished") {
      for (const waiter of this.#closing.splice(0)) waiter.resolve();
      // All of it was taken, also where the peer has no credit for more.
      for (const waiter of this.#waiting.splice(0)) waiter.resolve();
      for (const resolve of this.#failing.splice(0)) resolve(this.#stopError());
      for (const { resolve } of this.#crediting.splice(0)) resolve(false);
    }
    if (this.#waiting.length === 0) return;
    if (this.#hasRoom(this.#wakeBelowBytes)) for (const waiter of this.#waiting.splice(0)) waiter.resolve();
    else if (!this.#budget.hasRoom) this.#budget.wait(this);
  }

  /** Ends this half for the application. */
  fail(error: KwikError): void {
    if (this.#error !== undefined || this.#sender.stream.state === "finished") return;
    this.#error = error;
    this.#buffer.abandon();
    this.#account();
    this.#controller?.error(error);
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
    for (const waiter of this.#closing.splice(0)) waiter.reject(error);
    for (const waiter of this.#flushing.splice(0)) waiter.reject(error);
    for (const resolve of this.#failing.splice(0)) resolve(error);
    for (const { resolve } of this.#crediting.splice(0)) resolve(false);
  }

  /** Answers where what others bring begins. */
  #leaveOut(bytes: number, taker: string): number {
    const problem = this.#endFor(taker);
    if (problem !== undefined) throw problem;
    this.#flush();
    const position = this.#sender.stream.writtenOffset;
    this.#driver.session.skip(this.#entry, bytes);
    return position;
  }

  /** Why nothing more can be put into the stream by the method `taker`. */
  #endFor(taker: string): KwikError | undefined {
    if (this.#error !== undefined || !this.#isClosed) return this.#error;
    return new KwikError("CLOSED", `${taker} after close`);
  }

  #tellCredit(): void {
    const reached = this.#crediting.filter(({ above }) => this.creditOffset > above);
    if (reached.length === 0) return;
    this.#crediting = this.#crediting.filter(({ above }) => this.creditOffset <= above);
    for (const { resolve } of reached) resolve(true);
  }

  #stopError(): StreamError | undefined {
    const code = this.#sender.stream.stopCode;
    if (code === undefined) return undefined;
    return stopErrorOf(this.id, code);
  }

  get #unsentLimitBytes(): number {
    return Math.min(UNSENT_BYTES, Math.max(MIN_UNSENT_BYTES, SHARED_UNSENT_BYTES / (this.#entry.peer.queue.size + 1)));
  }

  #hasRoom(unsentBytes = this.#unsentLimitBytes): boolean {
    const { stream } = this.#sender;
    const gathered = this.#buffer.gatheredBytes;
    return (
      stream.writtenOffset + gathered < stream.maxOffset &&
      // While nothing can leave, all that the credit allows is taken. spec: RESUME-1
      (this.#entry.peer.isAway || stream.unsentBytes + gathered < unsentBytes) &&
      stream.bufferedBytes + gathered < this.#maxBufferBytes &&
      this.#budget.hasRoom
    );
  }

  #waitForRoom(): Promise<void> {
    // A turn for each packet would cost more than the packet.
    this.#wakeBelowBytes = this.#unsentLimitBytes / 2;
    this.#sender.waitBelow(this.#wakeBelowBytes);
    if (!this.#budget.hasRoom) this.#budget.wait(this);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The driver's turn: small writes of the application's turn go out as one. */
  flush(): void {
    this.#isGathering = false;
    this.#flush();
  }

  settle(): void {
    this.#isResting = false;
    if (this.#sender.stream.bufferedBytes === 0) this.#buffer.release();
  }

  #rest(): void {
    if (this.#isResting) return;
    this.#isResting = true;
    this.#driver.rest(this);
  }

  #account(): void {
    const held = this.bufferedBytes;
    const change = held - this.#budgetedBytes;
    // First: the budget may call back here.
    this.#budgetedBytes = held;
    this.#budget.change(change);
  }

  #flush(): void {
    this.#buffer.flush(this.#handOn);
  }

  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#driver.gather(this);
  }
}
