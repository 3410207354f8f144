import type { Contribution } from "../api/contract.ts";
import { KwikError } from "../api/errors.ts";
import type { SendHalf } from "../session/send-half.ts";

/** A contribution of a server to its own stream, at its end: the ordinary way of writing. */
export class HomeContribution implements Contribution {
  readonly streamId: bigint;
  readonly #send: SendHalf;
  #isClosed = false;

  constructor(send: SendHalf) {
    this.streamId = send.id;
    this.#send = send;
  }

  get offset(): bigint {
    return BigInt(this.#send.writtenOffset);
  }

  write(data: Uint8Array): Promise<void> {
    if (this.#isClosed) return Promise.reject(new KwikError("CLOSED", "write after close of the contribution"));
    return this.#send.write(data);
  }

  /** The stream itself stays open. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#send.flushed();
  }

  /** What was written to one's own stream stays written. */
  abort(): void {
    this.#isClosed = true;
  }
}
