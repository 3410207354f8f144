import type { WebTransportSession, WebTransportStream } from "./web-transport-api.ts";

/** A stream whose other end is the test: what is written waits until `pass`. */
export class PlayedStream implements WebTransportStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly written: Uint8Array[] = [];
  isAborted = false;
  isCancelled = false;
  #incoming: ReadableStreamDefaultController<Uint8Array> | undefined;
  #outgoing: WritableStreamDefaultController | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor() {
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#incoming = controller;
      },
      cancel: () => {
        this.isCancelled = true;
      },
    });
    this.writable = new WritableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#outgoing = controller;
        },
        write: (data) => {
          this.written.push(data);
          return new Promise((resolve) => this.#waiting.push(resolve));
        },
        abort: () => {
          this.isAborted = true;
        },
      },
      { highWaterMark: 1 },
    );
  }

  bring(...values: number[]): void {
    this.#incoming?.enqueue(Uint8Array.from(values));
  }

  /** The oldest write is done. */
  pass(): void {
    this.#waiting.shift()?.();
  }

  finish(): void {
    this.#incoming?.close();
  }

  /** As the browser tells of a reset, or of the end of the session. */
  break(source: "stream" | "session"): void {
    const error = Object.assign(new Error(`the ${source} is over`), { source });
    this.#incoming?.error(error);
    this.#outgoing?.error(error);
  }
}

/** A session whose other end is the test. */
export class PlayedSession implements WebTransportSession {
  readonly ready: Promise<void>;
  readonly closed: Promise<{ closeCode?: number; reason?: string }>;
  readonly datagrams;
  readonly incomingBidirectionalStreams: ReadableStream<WebTransportStream>;
  readonly opened: PlayedStream[] = [];
  readonly datagramsSent: Uint8Array[] = [];
  readonly closes: { readonly closeCode: number; readonly reason: string }[] = [];
  accept: () => void = () => undefined;
  refuse: (error: unknown) => void = () => undefined;
  end: (info: { closeCode?: number; reason?: string }) => void = () => undefined;
  lose: (error: unknown) => void = () => undefined;
  /** Makes the streams that were asked for. */
  makeStreams: () => void = () => undefined;
  #incoming: ReadableStreamDefaultController<WebTransportStream> | undefined;

  constructor() {
    this.ready = new Promise((resolve, reject) => {
      this.accept = resolve;
      this.refuse = reject;
    });
    this.closed = new Promise((resolve, reject) => {
      this.end = resolve;
      this.lose = reject;
    });
    this.incomingBidirectionalStreams = new ReadableStream({
      start: (controller) => {
        this.#incoming = controller;
      },
    });
    this.datagrams = {
      readable: new ReadableStream<Uint8Array>(),
      writable: new WritableStream<Uint8Array>({
        write: (data) => {
          this.datagramsSent.push(data);
          return new Promise<void>(() => undefined);
        },
      }),
      maxDatagramSize: 1000,
      incomingHighWaterMark: 1,
    };
  }

  createBidirectionalStream(): Promise<WebTransportStream> {
    return new Promise((resolve) => {
      const before = this.makeStreams;
      this.makeStreams = () => {
        before();
        const stream = new PlayedStream();
        this.opened.push(stream);
        resolve(stream);
        this.makeStreams = () => undefined;
      };
    });
  }

  close(end: { readonly closeCode: number; readonly reason: string }): void {
    this.closes.push(end);
  }

  bring(stream: WebTransportStream): void {
    this.#incoming?.enqueue(stream);
  }
}
