import type { Carrier, CarrierReceiver } from "@kwik/core";
import { Http3Code } from "./http3-failure.ts";
import type { Http3Stream, Http3StreamReceiver } from "./http3-port.ts";

/** A bidirectional WebTransport stream as a carrier. */
export class WebTransportCarrier implements Carrier, Http3StreamReceiver {
  receiver: CarrierReceiver | undefined = undefined;
  /** Whether this side opened it. */
  readonly isOwn: boolean;
  readonly #stream: Http3Stream;
  readonly #onGone: (carrier: WebTransportCarrier) => void;
  /** What goes out before the first bytes. */
  #head: Uint8Array | undefined;
  #isOver = false;

  /** `head` is the header of a stream that this side opens; it leaves with the first bytes. */
  constructor(stream: Http3Stream, head: Uint8Array | undefined, onGone: (carrier: WebTransportCarrier) => void) {
    this.#stream = stream;
    this.#head = head;
    this.isOwn = head !== undefined;
    this.#onGone = onGone;
    stream.receiver = this;
  }

  get id(): number {
    return this.#stream.id;
  }

  get bufferedBytes(): number {
    return this.#isOver ? 0 : this.#stream.bufferedBytes;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#isOver) return;
    const head = this.#head;
    if (head === undefined) {
      this.#stream.send(parts);
      return;
    }
    if (parts.every((part) => part.length === 0)) return;
    this.#head = undefined;
    this.#stream.send([head, ...parts]);
  }

  /**
   * The code does not travel: WebTransport maps its codes to numbers of 48 bits, and the engine sends 32. Browsers show such a reset
   * as one without a code. docs/webtransport.md
   */
  reset(_code: number): void {
    this.#break(Http3Code.requestCancelled);
  }

  /**
   * The session is over: nothing is sent or delivered any more, and the receiver is not told. The stream goes with the connection. It is
   * not reset before: Chromium, hearing of that, may tell its page that the connection was lost instead of how the session was closed.
   */
  abandon(): void {
    this.#isOver = true;
  }

  onData(data: Uint8Array): void {
    // The first bytes may follow in the call that has reset the stream.
    if (!this.#isOver) this.receiver?.onData(data);
  }

  onFin(): void {
    if (this.#isOver) return;
    this.#break(Http3Code.noError);
    this.receiver?.onEnd();
  }

  onEnd(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onGone(this);
    this.receiver?.onEnd();
  }

  #break(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream.reset(code);
    this.#onGone(this);
  }
}
