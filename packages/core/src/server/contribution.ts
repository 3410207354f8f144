import { errorName, type StreamSender } from "@kwik/proto";
import { byteProblem } from "../api/byte-argument.ts";
import type { Contribution } from "../api/contract.ts";
import { KwikError, StreamError } from "../api/errors.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import type { BudgetUser, SendBudget } from "../session/send-budget.ts";

/** `write` waits while this much was written and not yet sent. */
const UNSENT_BYTES = 1024 * 1024;

/** Bytes on their way into a stream at an offset. */
export class OpenContribution implements Contribution, BudgetUser {
  readonly streamId: bigint;
  readonly #sender: StreamSender;
  readonly #driver: SessionDriver;
  readonly #budget: SendBudget;
  readonly #maxBufferBytes: number;
  /** What the session's budget knows of. */
  #budgetedBytes = 0;
  readonly #onDone: (contribution: OpenContribution) => void;
  #waiting: { isClose: boolean; resolve(): void; reject(reason: unknown): void }[] = [];
  #error: KwikError | undefined;
  #isClosed = false;
  #isOver = false;
  /** Up to where was written. */
  #endOffset: number;
  /** All that was written had arrived when the stream or the session ended. */
  #isWhole = false;

  constructor(sender: StreamSender, driver: SessionDriver, budget: SendBudget, onDone: (contribution: OpenContribution) => void) {
    this.streamId = BigInt(sender.stream.id);
    this.#sender = sender;
    this.#endOffset = sender.stream.writtenOffset;
    this.#driver = driver;
    this.#budget = budget;
    this.#maxBufferBytes = driver.session.state.limits.maxSendBufferBytes;
    this.#onDone = onDone;
  }

  get offset(): bigint {
    return BigInt(this.#sender.stream.writtenOffset);
  }

  write(data: Uint8Array): Promise<void> {
    const problem = byteProblem(data, "write") ?? this.#error ?? this.#problemOf(data.length);
    if (problem !== undefined) return Promise.reject(problem);
    if (data.length > 0) {
      this.#sender.stream.write(new Uint8Array(data));
      this.#endOffset = this.#sender.stream.writtenOffset;
      this.#sender.peer.enqueue(this.#sender);
      if (this.#sender.stream.isBlockedByStreamCredit) this.#driver.session.server?.contributions.ask(this.#sender);
      this.#driver.schedule();
      this.#account();
    }
    if (this.#hasRoom) return Promise.resolve();
    if (!this.#budget.hasRoom) this.#budget.wait(this);
    return new Promise((resolve, reject) => this.#waiting.push({ isClose: false, resolve, reject }));
  }

  close(): Promise<void> {
    if (this.#isWhole) return Promise.resolve();
    if (this.#error !== undefined) return Promise.reject(this.#error);
    this.#isClosed = true;
    if (this.#sender.stream.bufferedBytes === 0) {
      this.#finish();
      return Promise.resolve();
    }
    const closed = new Promise<void>((resolve, reject) => this.#waiting.push({ isClose: true, resolve, reject }));
    // As the close of a stream: whoever does not wait for it is not told.
    closed.catch(() => {});
    return closed;
  }

  abort(): void {
    if (this.#error !== undefined) return;
    // What is under way still arrives; only what was never sent is dropped.
    this.#sender.stream.reset(0);
    this.#fail(new KwikError("ABORTED", "the contribution was aborted"));
  }

  /** Acknowledgements or credit arrived. */
  update(): void {
    if (this.#isOver) return;
    const { stopCode } = this.#sender.stream;
    this.#account();
    if (stopCode !== undefined && this.#error === undefined) {
      const code = errorName(stopCode);
      const why = code === "STREAM_STATE" ? "is over, or nobody reads it" : "takes no contributions of this server";
      this.#end(new StreamError(code, `stream ${this.streamId} ${why}`, this.streamId, stopCode, { remote: true }));
      return;
    }
    const isAllAcknowledged = this.#sender.stream.bufferedBytes === 0;
    this.#waiting = this.#waiting.filter((waiter) => {
      if (waiter.isClose ? !isAllAcknowledged : !this.#hasRoom) return true;
      waiter.resolve();
      return false;
    });
    if (this.#isClosed && isAllAcknowledged) this.#finish();
    else if (this.#waiting.length > 0 && !this.#budget.hasRoom) this.#budget.wait(this);
  }

  /** The session is over; what was acknowledged together with its end has arrived. */
  end(error: KwikError): void {
    this.update();
    this.#end(error);
  }

  /** Nobody takes more. That is no failure of what has arrived. */
  #end(error: KwikError): void {
    const { stream } = this.#sender;
    if (this.#error !== undefined) return;
    this.#isWhole = stream.bufferedBytes === 0 && stream.writtenOffset === this.#endOffset;
    this.#fail(error);
  }

  #fail(error: KwikError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    if (!this.#isWhole) for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
    this.#finish();
  }

  /** Why so many bytes more cannot be written at all. */
  #problemOf(bytes: number): KwikError | undefined {
    if (this.#isClosed) return new KwikError("CLOSED", "write after close of the contribution");
    const { writtenOffset, maxOffset } = this.#sender.stream;
    // On a stream of this server's own nobody gives more: behind its end, the stream itself is written.
    if (!this.#isFilling || writtenOffset + bytes <= maxOffset) return undefined;
    return new KwikError(
      "INVALID_ARGUMENT",
      `stream ${this.streamId} was written up to ${maxOffset} when the contribution began: ${maxOffset - writtenOffset} bytes can be filled in there, not ${bytes}`,
    );
  }

  /** Fills in what this server has skipped in a stream of its own: all the credit there is was there from the beginning. */
  get #isFilling(): boolean {
    return !this.#sender.isCredited;
  }

  get #hasRoom(): boolean {
    const { stream } = this.#sender;
    return (
      (this.#isFilling || stream.writtenOffset < stream.maxOffset) &&
      stream.writtenOffset - stream.sentOffset < UNSENT_BYTES &&
      stream.bufferedBytes < this.#maxBufferBytes &&
      this.#budget.hasRoom
    );
  }

  #account(): void {
    this.#budgeted(this.#sender.stream.bufferedBytes);
  }

  #budgeted(bytes: number): void {
    const change = bytes - this.#budgetedBytes;
    // First: the budget may call back here.
    this.#budgetedBytes = bytes;
    this.#budget.change(change);
  }

  /** All of it has arrived, or nothing more will: those who wait for room wait no longer. */
  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#budgeted(0);
    for (const waiter of this.#waiting.splice(0)) waiter.resolve();
    this.#driver.session.server?.contributions.close(this.#sender);
    this.#onDone(this);
  }
}
