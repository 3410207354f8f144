import {
  type Carrier,
  ErrorCode,
  type Link,
  type LinkCapabilities,
  type LinkCloseInfo,
  type LinkProperties,
  type LinkReceiver,
  type LinkStats,
} from "@kwik/core";
import { StreamCarrier, type StreamCarrierOwner } from "./stream-carrier.ts";
import type { WebTransportSession } from "./web-transport-api.ts";

// A read gives bytes that the browser has copied into a buffer of their own.
const CAPABILITIES: LinkCapabilities = { streams: true, datagrams: true, encrypted: true, earlyData: false, ownedBuffers: true };

/** Carriers that this side has open at once, those whose streams the browser still has to make or to give back included. */
const MAX_OPENED_CARRIERS = 256;
/** Datagrams that the browser has not sent yet, at most; and those that come while the page is busy. */
const MAX_QUEUED_DATAGRAMS = 128;
/** Longest reason of a close, in bytes of UTF-8: what a session's end has room for. */
const MAX_REASON_BYTES = 1024;

/** A WebTransport session of the browser behind the Link port. */
export class WebTransportLink implements Link, StreamCarrierOwner {
  readonly capabilities = CAPABILITIES;
  readonly properties: LinkProperties;
  readonly #session: WebTransportSession;
  readonly #datagrams: WritableStreamDefaultWriter<Uint8Array>;
  readonly #carriers = new Set<StreamCarrier>();
  /** Numbers of this side alone, as QUIC counts streams: own ones from 0, the server's from 1, by 4. */
  #nextOwnId = 0;
  #nextServerId = 1;
  #opened = 0;
  #queuedDatagrams = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #receiver: LinkReceiver | undefined;
  #closeInfo: LinkCloseInfo | undefined;
  #isBatchOpen = false;

  /** `session` is ready, and nobody else uses it. */
  constructor(session: WebTransportSession, properties: LinkProperties) {
    this.#session = session;
    this.properties = properties;
    session.datagrams.incomingHighWaterMark = MAX_QUEUED_DATAGRAMS;
    this.#datagrams = session.datagrams.writable.getWriter();
    this.#datagrams.closed.catch(ignore);
    session.closed.then(
      ({ closeCode = 0, reason = "" }) => this.#end({ code: closeCode, reason, remote: true }),
      (error: unknown) => this.#end({ code: ErrorCode.LINK_LOST, reason: `the connection broke: ${messageOf(error)}`, remote: true }),
    );
  }

  attach(receiver: LinkReceiver): void {
    if (this.#receiver !== undefined) throw new Error("a link is attached once");
    this.#receiver = receiver;
    const ended = this.#closeInfo;
    if (ended !== undefined) {
      queueMicrotask(() => receiver.onClose(ended));
      return;
    }
    void this.#acceptCarriers();
    void this.#receiveDatagrams();
  }

  openCarrier(): Carrier | undefined {
    if (this.#isClosed || this.#opened >= MAX_OPENED_CARRIERS) return undefined;
    const carrier = new StreamCarrier(this.#nextOwnId, true, this);
    this.#nextOwnId += 4;
    this.#opened += 1;
    this.#carriers.add(carrier);
    this.#session.createBidirectionalStream().then(
      (stream) => carrier.start(stream),
      // Only a session that is over makes none, and that says so by itself.
      ignore,
    );
    return carrier;
  }

  get maxDatagramBytes(): number {
    return this.#isClosed ? 0 : this.#session.datagrams.maxDatagramSize;
  }

  sendDatagram(data: Uint8Array): boolean {
    if (data.length > this.maxDatagramBytes || this.#isClosed || this.#queuedDatagrams >= MAX_QUEUED_DATAGRAMS) return false;
    this.#queuedDatagrams += 1;
    this.#bytesOut += data.length;
    this.#datagrams.write(new Uint8Array(data)).then(this.#onDatagramGone, this.#onDatagramGone);
    return true;
  }

  stats(): LinkStats {
    let bufferedBytes = 0;
    for (const carrier of this.#carriers) bufferedBytes += carrier.bufferedBytes;
    return {
      rttMs: undefined,
      congestionWindowBytes: undefined,
      maxPayloadBytes: undefined,
      packetsIn: 0,
      packetsOut: 0,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      bufferedBytes,
    };
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    const info = { code, reason, remote: false };
    this.#markClosed(info);
    this.#session.close({ closeCode: code, reason: cut(reason) });
    queueMicrotask(() => this.#receiver?.onClose(info));
  }

  // StreamCarrierOwner ----------------------------------------------------------------------------------------------------

  deliver(carrier: StreamCarrier, data: Uint8Array): void {
    this.#bytesIn += data.length;
    try {
      carrier.receiver?.onData(data);
      this.#endBatchLater();
    } catch (error) {
      this.#receiverFailed(error);
    }
  }

  ended(carrier: StreamCarrier): void {
    this.#guard(() => carrier.receiver?.onEnd());
  }

  released(carrier: StreamCarrier): void {
    if (this.#carriers.delete(carrier) && carrier.isOwn) this.#opened -= 1;
  }

  get #isClosed(): boolean {
    return this.#closeInfo !== undefined;
  }

  async #acceptCarriers(): Promise<void> {
    const streams = this.#session.incomingBidirectionalStreams.getReader();
    for (;;) {
      const next = await streams.read().catch(ignore);
      if (next === undefined || next.done || this.#isClosed) return;
      const carrier = new StreamCarrier(this.#nextServerId, false, this);
      this.#nextServerId += 4;
      this.#carriers.add(carrier);
      this.#guard(() => this.#receiver?.onCarrier(carrier));
      carrier.start(next.value);
    }
  }

  async #receiveDatagrams(): Promise<void> {
    const datagrams = this.#session.datagrams.readable.getReader();
    for (;;) {
      const next = await datagrams.read().catch(ignore);
      if (next === undefined || next.done || this.#isClosed) return;
      this.#bytesIn += next.value.length;
      this.#guard(() => this.#receiver?.onDatagram(next.value));
      this.#endBatchLater();
    }
  }

  readonly #onDatagramGone = (): void => {
    this.#queuedDatagrams -= 1;
  };

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#receiverFailed(error);
    }
  }

  /** A fault above: it ends this link and no other. */
  #receiverFailed(error: unknown): void {
    this.close(ErrorCode.INTERNAL_ERROR, messageOf(error));
  }

  /** Chunks that the browser has ready follow each other in one turn of the event loop: they are one batch. */
  #endBatchLater(): void {
    if (this.#isBatchOpen) return;
    this.#isBatchOpen = true;
    queueMicrotask(this.#endBatch);
  }

  readonly #endBatch = (): void => {
    this.#isBatchOpen = false;
    if (!this.#isClosed) this.#guard(() => this.#receiver?.onBatchEnd());
  };

  #end(info: LinkCloseInfo): void {
    if (this.#isClosed) return;
    this.#markClosed(info);
    this.#receiver?.onClose(info);
  }

  #markClosed(info: LinkCloseInfo): void {
    this.#closeInfo = info;
    for (const carrier of this.#carriers) carrier.abandon();
    this.#carriers.clear();
  }
}

/** At most so much as a close may carry, cut at a character. */
function cut(reason: string): string {
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(MAX_REASON_BYTES));
  return reason.slice(0, read);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function ignore(): undefined {
  return undefined;
}
