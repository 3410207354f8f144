import { ErrorCode } from "@kwik/core";
import type { Link, LinkCloseInfo, WebRules } from "@kwik/core";
import { Http3Code, Http3Failure } from "./http3-failure.ts";
import { isUnidirectional } from "./http3-port.ts";
import type { Http3Port, Http3PortReceiver, Http3Stream, Http3StreamReceiver } from "./http3-port.ts";
import { CriticalStreams, PeerUnidirectional } from "./peer-unidirectional.ts";
import type { Field } from "./qpack/field-section.ts";
import { refusalOf } from "./request.ts";
import { RequestStream } from "./request-stream.ts";
import type { RequestOwner } from "./request-stream.ts";
import { encodeSettings } from "./settings.ts";
import type { PeerSettings } from "./settings.ts";
import { VarintReader } from "./varint.ts";
import { WebTransportLink } from "./webtransport-link.ts";

/** How long a connection may go without a session, in milliseconds. */
const SESSION_TIMEOUT_MS = 5_000;

/** How long a client may take to hear that its session was closed before the connection goes, in milliseconds. */
const LINGER_MS = 1_000;

/**
 * How long the connection stays after a client has heard, in milliseconds: Chromium tells its page a moment later, and if the connection
 * went before that it would say "Connection lost" instead of code and reason.
 */
const HEARD_LINGER_MS = 100;

/** Requests on one connection, at most, answered ones included: a page needs one, and each may hold its fields. */
const MAX_REQUESTS = 32;

const CONTROL_STREAM = 0x00;

/** Decides about sessions, and takes them. */
export interface Http3Options extends WebRules {
  /** Called for a new session; it must `attach` to the link before it returns. */
  onLink(link: Link): void;
  /** A page was refused because of its origin. */
  onRefusedOrigin?(origin: string): void;
}

/**
 * The server's end of an HTTP/3 connection: one WebTransport session becomes a link, every other request gets a short answer. What
 * breaks the rules ends the connection. RFC 9114, RFC 9220, RFC 9297, draft-ietf-webtrans-http3
 */
export class Http3Connection implements Http3PortReceiver, RequestOwner {
  readonly #port: Http3Port;
  readonly #options: Http3Options;
  readonly #critical = new CriticalStreams((settings) => this.#onSettings(settings));
  #settings: PeerSettings | undefined;
  /** Asked for sessions before the settings came. */
  #waiting: { readonly request: RequestStream; readonly fields: readonly Field[] }[] = [];
  #requests = 0;
  #link: WebTransportLink | undefined;
  #isClosed = false;
  #timer: NodeJS.Timeout;
  readonly #whenClosed: (() => void)[] = [];

  constructor(port: Http3Port, options: Http3Options) {
    this.#port = port;
    this.#options = options;
    this.#timer = setTimeout(() => this.#closePort(Http3Code.noError, "no session was asked for in time"), SESSION_TIMEOUT_MS);
    this.#timer.unref();
    port.attach(this);
    const control = port.openUnidirectional();
    if (control === undefined) return;
    control.receiver = this.#guarded({
      onData: () => undefined,
      onEnd: () => {
        throw new Http3Failure(Http3Code.closedCriticalStream, "the control stream was refused");
      },
    });
    control.send([Uint8Array.of(CONTROL_STREAM), encodeSettings()]);
  }

  /** Closes the session, if there is one, and the connection. Resolves when the client has heard of it or had its time. */
  close(code: number, reason: string): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    const closed = new Promise<void>((resolve) => void this.#whenClosed.push(resolve));
    if (this.#link === undefined) this.#closePort(Http3Code.noError, reason);
    else this.#link.close(code, reason);
    return closed;
  }

  /** Ends everything because code above it failed. */
  fail(reason: string): void {
    if (this.#link === undefined) this.#closePort(Http3Code.internalError, reason);
    else this.#link.close(ErrorCode.INTERNAL_ERROR, reason);
  }

  onCarrier(stream: Http3Stream): void {
    stream.receiver = this.#guarded(
      isUnidirectional(stream.id) ? new PeerUnidirectional(stream, this.#critical) : new RequestStream(stream, this),
    );
  }

  onDatagram(data: Uint8Array): void {
    const quarterId = new VarintReader();
    const at = quarterId.take(data, 0);
    if (quarterId.value === undefined) this.#onFailure(new Http3Failure(Http3Code.datagramError, "a datagram names no session"));
    // Those of no session may come early or late: dropped, as the network could have done.
    else if (quarterId.value * 4 === this.#link?.sessionId) this.#link.onDatagram(data.subarray(at));
  }

  onBatchEnd(): void {
    this.#link?.onBatchEnd();
  }

  onClose(info: LinkCloseInfo): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#waiting = [];
    // Without an error of HTTP/3 it is as if the session's stream had ended.
    this.#link?.onConnectionClose(info.remote && info.code === Http3Code.noError ? { ...info, code: 0 } : info);
    for (const resolve of this.#whenClosed) resolve();
  }

  onRequestBegin(): void {
    this.#requests += 1;
    if (this.#requests > MAX_REQUESTS) throw new Http3Failure(Http3Code.excessiveLoad, "there were too many requests");
  }

  onRequest(request: RequestStream, fields: readonly Field[]): void {
    const refusal = refusalOf(fields, this.#options);
    if (refusal?.origin !== undefined) this.#options.onRefusedOrigin?.(refusal.origin);
    if (refusal !== undefined) request.refuse(refusal);
    else if (this.#settings === undefined) this.#waiting.push({ request, fields });
    else this.#openSession(request);
  }

  onCarrierStream(stream: Http3Stream, sessionId: number): Http3StreamReceiver | undefined {
    if (sessionId % 4 !== 0) throw new Http3Failure(Http3Code.idError, `${sessionId} cannot be a session`);
    if (this.#link !== undefined && !this.#link.isClosed && this.#link.sessionId === sessionId) return this.#link.acceptCarrier(stream);
    // Nothing is kept for a session that is not there yet: browsers wait for the answer.
    stream.reset(this.#link === undefined ? Http3Code.webTransportBufferedStreamRejected : Http3Code.webTransportSessionGone);
    return undefined;
  }

  onSessionStreamEnd(): void {
    this.#closeLater(HEARD_LINGER_MS);
  }

  #onSettings(settings: PeerSettings): void {
    this.#settings = settings;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { request } of waiting) this.#openSession(request);
  }

  #openSession(request: RequestStream): void {
    if (this.#settings?.datagrams !== true) {
      request.refuse({ status: 400, text: "WebTransport needs HTTP datagrams.\n" });
      return;
    }
    if (this.#link !== undefined) {
      // Without flow control of sessions there is one on a connection; draft-ietf-webtrans-http3 section 5.1
      request.stream.reset(Http3Code.requestRejected);
      return;
    }
    const link = new WebTransportLink(this.#port, request.stream, () => this.#onSessionOver());
    this.#link = link;
    clearTimeout(this.#timer);
    request.accept(link);
    if (link.isClosed) return;
    this.#options.onLink(link);
    if (!link.isAttached) throw new Error("nobody attached to the link");
  }

  /** The connection has no other use. It stays until the client's end of the session's stream shows that it has heard. */
  #onSessionOver(): void {
    this.#closeLater(LINGER_MS);
  }

  #closeLater(delayMs: number): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#closePort(Http3Code.noError, ""), delayMs);
    this.#timer.unref();
  }

  #closePort(code: number, reason: string): void {
    this.#port.close(code, reason);
  }

  #onFailure(error: unknown): void {
    if (!(error instanceof Http3Failure)) throw error;
    this.#closePort(error.code, error.message);
  }

  /** A receiver whose failures end the connection. */
  #guarded(receiver: Http3StreamReceiver): Http3StreamReceiver {
    const guard = (call: () => void): void => {
      try {
        call();
      } catch (error) {
        this.#onFailure(error);
      }
    };
    return {
      onData: (data) => guard(() => receiver.onData(data)),
      onEnd: () => guard(() => receiver.onEnd()),
      ...(receiver.onFin === undefined ? {} : { onFin: () => guard(() => receiver.onFin?.()) }),
    };
  }
}
