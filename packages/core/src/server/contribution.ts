import { errorName, type StreamSender } from "@kwik/proto";
import type { Contribution } from "../api/contract.ts";
import { KwikError, StreamError } from "../api/errors.ts";
import type { SessionDriver } from "../driver/session-driver.ts";

const UNSENT_BYTES = 1024 * 1024;

/** Bytes on their way into a stream at an offset. */
export class OpenContribution implements Contribution {
  readonly streamId: bigint;
  readonly #sender: StreamSender;
  readonly #driver: SessionDriver;
  readonly #onDone: (contribution: OpenContribution) => void;
  #waiting: { isClose: boolean; resolve(): void; reject(reason: unknown): void }[] = [];
  #error: KwikError | undefined;
  #isClosed = false;

  constructor(sender: StreamSender, driver: SessionDriver, onDone: (contribution: OpenContribution) => void) {
    this.streamId = BigInt(sender.stream.id);
    this.#sender = sender;
    this.#driver = driver;
    this.#onDone = onDone;
  }

  get offset(): bigint {
    return BigInt(this.#sender.stream.writtenOffset);
  }

  write(data: Uint8Array): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#isClosed) return Promise.reject(new KwikError("CLOSED", "write after close of the contribution"));
    if (data.length > 0) {
      this.#sender.stream.write(new Uint8Array(data));
      this.#sender.peer.enqueue(this.#sender);
      if (this.#sender.stream.isBlockedByStreamCredit) this.#driver.session.server?.contributions.ask(this.#sender);
      this.#driver.schedule();
    }
    if (this.#hasRoom) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ isClose: false, resolve, reject }));
  }

  close(): Promise<void> {
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
    this.fail(new KwikError("ABORTED", "the contribution was aborted"));
  }

  /** Acknowledgements or credit arrived. */
  update(): void {
    const { stopCode } = this.#sender.stream;
    if (stopCode !== undefined && this.#error === undefined) {
      const code = errorName(stopCode);
      const why = code === "STREAM_STATE" ? "is over, or nobody reads it" : "takes no contributions of this server";
      this.fail(new StreamError(code, `stream ${this.streamId} ${why}`, this.streamId, stopCode, { remote: true }));
      return;
    }
    const isAllAcknowledged = this.#sender.stream.bufferedBytes === 0;
    this.#waiting = this.#waiting.filter((waiter) => {
      if (waiter.isClose ? !isAllAcknowledged : !this.#hasRoom) return true;
      waiter.resolve();
      return false;
    });
    if (this.#isClosed && isAllAcknowledged) this.#finish();
  }

  fail(error: KwikError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
    this.#finish();
  }

  get #hasRoom(): boolean {
    const { stream } = this.#sender;
    return stream.writtenOffset < stream.maxOffset && stream.writtenOffset - stream.sentOffset < UNSENT_BYTES;
  }

  /** All of it has arrived, or nothing more will: those who wait for room wait no longer. */
  #finish(): void {
    for (const waiter of this.#waiting.splice(0)) waiter.resolve();
    this.#driver.session.server?.contributions.close(this.#sender);
    this.#onDone(this);
  }
}
