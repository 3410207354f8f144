import { type BytePipe, type BytePipeReceiver, type LinkProperties, PIPE_LOW_WATER_BYTES } from "@kwik/core";

/** A message holds at most this, in bytes; a server takes twice as much. */
const MAX_MESSAGE_BYTES = 64 * 1024;

/** How often the browser is asked whether it has sent enough, in milliseconds, while it has not. It has no event for that. */
const LOOK_MS = 4;

/** Codes of RFC 6455. Pages may send only 1000 and those from 3000 on. */
const CloseCode = { normal: 1000, goingAway: 1001, noStatus: 1005, abnormal: 1006, unsupportedDataOfPage: 4003 } as const;

/** A pipe over an open WebSocket of the browser. Binary messages carry its bytes; where one message ends and the next begins means nothing. */
export class WebSocketPipe implements BytePipe {
  readonly properties: LinkProperties;
  readonly encrypted = true;
  receiver: BytePipeReceiver | undefined = undefined;
  readonly #socket: WebSocket;
  /** Where small parts are put together; the browser copies what it is given. */
  #joined: Uint8Array<ArrayBuffer> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAboveMark = false;
  /** Ended here, or known to have ended there: nothing is delivered any more. */
  #isOver = false;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(socket: WebSocket, properties: LinkProperties) {
    this.#socket = socket;
    this.properties = properties;
    socket.onmessage = (event: { readonly data: unknown }) => this.#onMessage(event.data);
    socket.onclose = (event) => this.#ended(endReason(event.code, event.reason));
  }

  get bufferedBytes(): number {
    return this.#isOver ? 0 : this.#socket.bufferedAmount;
  }

  write(parts: readonly Uint8Array[]): void {
    if (this.#isOver) return;
    let used = 0;
    for (const part of parts) {
      if (used + part.length > MAX_MESSAGE_BYTES) used = this.#flush(used);
      if (part.length > MAX_MESSAGE_BYTES) {
        for (let at = 0; at < part.length; at += MAX_MESSAGE_BYTES)
          this.#send(part.subarray(at, at + MAX_MESSAGE_BYTES) as Uint8Array<ArrayBuffer>);
        continue;
      }
      this.#joined ??= new Uint8Array(MAX_MESSAGE_BYTES);
      this.#joined.set(part, used);
      used += part.length;
    }
    this.#flush(used);
    if (this.bufferedBytes >= PIPE_LOW_WATER_BYTES) this.#watch();
  }

  end(): void {
    if (this.#isOver) return;
    this.#stop();
    // What is queued goes before the close frame.
    this.#socket.close(CloseCode.normal);
  }

  stats(): { readonly rttMs: undefined; readonly bytesIn: number; readonly bytesOut: number } {
    return { rttMs: undefined, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut };
  }

  #flush(used: number): 0 {
    if (used > 0 && this.#joined !== undefined) this.#send(this.#joined.subarray(0, used));
    return 0;
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    this.#bytesOut += message.length;
    this.#socket.send(message);
  }

  #onMessage(data: unknown): void {
    if (this.#isOver) return;
    if (!(data instanceof ArrayBuffer)) {
      this.#ended("the other side sent a text message; kwik's are binary");
      this.#socket.close(CloseCode.unsupportedDataOfPage, "kwik's messages are binary");
      return;
    }
    this.#bytesIn += data.byteLength;
    this.receiver?.onData(new Uint8Array(data));
    // An answer often means that there is room again; timers of pages that nobody looks at are slow.
    this.#look();
  }

  #watch(): void {
    this.#isAboveMark = true;
    this.#timer ??= setTimeout(this.#onTimer, LOOK_MS);
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#look();
    if (this.#isAboveMark) this.#watch();
  };

  #look(): void {
    if (!this.#isAboveMark || this.bufferedBytes >= PIPE_LOW_WATER_BYTES) return;
    this.#isAboveMark = false;
    this.receiver?.onDrain();
  }

  #stop(): void {
    this.#isOver = true;
    this.#isAboveMark = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #ended(reason: string): void {
    if (this.#isOver) return;
    this.#stop();
    this.receiver?.onEnd(reason);
  }
}

/** Why a WebSocket closed, in words; empty if the other side ended it in order. */
function endReason(code: number, reason: string): string {
  switch (code) {
    case CloseCode.normal:
    case CloseCode.goingAway:
    case CloseCode.noStatus:
      return "";
    case CloseCode.abnormal:
      return "the connection broke";
    default:
      return `the other side closed the WebSocket with code ${code}${reason === "" ? "" : `: ${reason}`}`;
  }
}
