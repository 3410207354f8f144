import type { Carrier, Link, LinkCapabilities, LinkCloseInfo, LinkProperties, LinkReceiver, LinkStats } from "@kwik/core";
import { CapsuleReader, encodeCloseCapsule } from "./capsules.ts";
import { FrameType } from "./frame-type.ts";
import type { Http3Port, Http3Stream, Http3StreamReceiver } from "./http3-port.ts";
import { encodeRecord } from "./record-reader.ts";
import type { SessionReceiver } from "./request-stream.ts";
import { encodeVarint } from "./varint.ts";
import { WebTransportCarrier } from "./webtransport-carrier.ts";

// The buffers are those of the port, which gives them away; what precedes the data in them is dropped here.
const CAPABILITIES: LinkCapabilities = { streams: true, datagrams: true, encrypted: true, earlyData: false, ownedBuffers: true };

/**
 * Carriers that this side keeps open at once. Chromium admits 100 streams and raises that when half of them are closed, so that with
 * half of them open there is always room; what goes beyond its limit is lost. docs/webtransport.md
 */
const MAX_OPENED_CARRIERS = 48;

/** A WebTransport session on the server behind the Link port. */
export class WebTransportLink implements Link, SessionReceiver {
  readonly capabilities = CAPABILITIES;
  readonly properties: LinkProperties;
  readonly #port: Http3Port;
  readonly #stream: Http3Stream;
  readonly #onOver: () => void;
  readonly #capsules = new CapsuleReader((end) => this.#end({ ...end, remote: true }));
  readonly #carriers = new Set<WebTransportCarrier>();
  readonly #carrierHead: Uint8Array;
  /** Names the session before each datagram. RFC 9297 section 2.1 */
  readonly #datagramHead: Uint8Array;
  #openedHere = 0;
  #receiver: LinkReceiver | undefined;
  #closeInfo: LinkCloseInfo | undefined;
  readonly #onCarrierGone = (carrier: WebTransportCarrier): void => {
    if (this.#carriers.delete(carrier) && carrier.isOwn) this.#openedHere -= 1;
  };

  /** `stream` is the one that the session was asked for on. `onOver` is told once, before the receiver. */
  constructor(port: Http3Port, stream: Http3Stream, onOver: () => void) {
    this.#port = port;
    this.#stream = stream;
    this.#onOver = onOver;
    this.#carrierHead = Uint8Array.of(...encodeVarint(FrameType.webTransportStream), ...encodeVarint(stream.id));
    this.#datagramHead = encodeVarint(stream.id / 4);
    this.properties = { ...port.properties, transport: "webtransport" };
  }

  /** The number of the stream that the session was asked for on. */
  get sessionId(): number {
    return this.#stream.id;
  }

  get isAttached(): boolean {
    return this.#receiver !== undefined;
  }

  get isClosed(): boolean {
    return this.#closeInfo !== undefined;
  }

  attach(receiver: LinkReceiver): void {
    if (this.#receiver !== undefined) throw new Error("a link is attached once");
    this.#receiver = receiver;
  }

  openCarrier(): Carrier | undefined {
    if (this.isClosed || this.#openedHere >= MAX_OPENED_CARRIERS) return undefined;
    const stream = this.#port.openCarrier();
    if (stream === undefined) return undefined;
    this.#openedHere += 1;
    return this.#addCarrier(stream, this.#carrierHead);
  }

  get maxDatagramBytes(): number {
    return this.isClosed ? 0 : Math.max(0, this.#port.maxDatagramBytes - this.#datagramHead.length);
  }

  sendDatagram(data: Uint8Array): boolean {
    if (this.isClosed) return false;
    const datagram = new Uint8Array(this.#datagramHead.length + data.length);
    datagram.set(this.#datagramHead);
    datagram.set(data, this.#datagramHead.length);
    return this.#port.sendDatagram(datagram);
  }

  stats(): LinkStats {
    return this.isClosed ? { ...this.#port.stats(), bufferedBytes: 0 } : this.#port.stats();
  }

  /** Says so in a capsule; the connection follows when the browser has heard it, or after a moment. */
  close(code: number, reason: string): void {
    if (this.isClosed) return;
    const info = { code, reason, remote: false };
    this.#stream.finish(encodeRecord(FrameType.data, encodeCloseCapsule(info)));
    this.#markClosed(info);
    setImmediate(() => this.#receiver?.onClose(info));
  }

  /** The peer opened a carrier. Answers who receives its bytes. */
  acceptCarrier(stream: Http3Stream): Http3StreamReceiver {
    const carrier = this.#addCarrier(stream, undefined);
    this.#receiver?.onCarrier(carrier);
    return carrier;
  }

  onDatagram(data: Uint8Array): void {
    if (!this.isClosed) this.#receiver?.onDatagram(data);
  }

  onBatchEnd(): void {
    if (!this.isClosed) this.#receiver?.onBatchEnd();
  }

  onSessionData(bytes: Uint8Array): void {
    if (!this.isClosed) this.#capsules.push(bytes);
  }

  /** A stream that ends without a capsule closes the session cleanly, with code 0. */
  onSessionEnd(): void {
    this.#end({ code: 0, reason: "", remote: true });
  }

  /** The connection has ended, which ends the session if it had not. */
  onConnectionClose(info: LinkCloseInfo): void {
    this.#end(info);
  }

  #end(info: LinkCloseInfo): void {
    if (this.isClosed) return;
    this.#markClosed(info);
    this.#receiver?.onClose(info);
  }

  #markClosed(info: LinkCloseInfo): void {
    this.#closeInfo = info;
    for (const carrier of this.#carriers) carrier.abandon();
    this.#carriers.clear();
    this.#onOver();
  }

  #addCarrier(stream: Http3Stream, head: Uint8Array | undefined): WebTransportCarrier {
    const carrier = new WebTransportCarrier(stream, head, this.#onCarrierGone);
    this.#carriers.add(carrier);
    return carrier;
  }
}
