import { FrameType, isForbiddenFrame } from "./frame-type.ts";
import { Http3Code, Http3Failure } from "./http3-failure.ts";
import type { Http3Stream, Http3StreamReceiver } from "./http3-port.ts";
import { decodeFieldSection, encodeFieldSection } from "./qpack/field-section.ts";
import type { Field } from "./qpack/field-section.ts";
import { encodeRecord, RecordReader } from "./record-reader.ts";
import type { RecordTreatment } from "./record-reader.ts";
import { isHead } from "./request.ts";
import type { Refusal } from "./request.ts";
import { MAX_FIELD_SECTION_BYTES } from "./settings.ts";

/** What a client may send on a CONNECT stream before its answer, in bytes. */
const MAX_EARLY_BYTES = 4 * 1024;

/** Who decides about a bidirectional stream of the peer. Each of the calls may throw an Http3Failure. */
export interface RequestOwner {
  /** A request begins: its fields are about to be held. */
  onRequestBegin(): void;
  onRequest(request: RequestStream, fields: readonly Field[]): void;
  /** The stream belongs to a session, as a carrier. Answers who receives what follows; undefined if the stream was refused. */
  onCarrierStream(stream: Http3Stream, sessionId: number): Http3StreamReceiver | undefined;
  /** The peer ended the stream of a session, which was told. */
  onSessionStreamEnd(): void;
}

/** The data of a CONNECT stream, once it is a session's. */
export interface SessionReceiver {
  onSessionData(bytes: Uint8Array): void;
  /** The peer ended the stream or it broke. */
  onSessionEnd(): void;
}

/** A bidirectional stream that the peer opened: a request, or a carrier once its first bytes say so. */
export class RequestStream implements Http3StreamReceiver {
  readonly stream: Http3Stream;
  readonly #owner: RequestOwner;
  readonly #records = new RecordReader(this);
  #phase: "first-bytes" | "fields" | "asked" | "session" | "over" = "first-bytes";
  #session: SessionReceiver | undefined;
  #carrier: Http3StreamReceiver | undefined;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #isHead = false;

  constructor(stream: Http3Stream, owner: RequestOwner) {
    this.stream = stream;
    this.#owner = owner;
  }

  /** Answers yes: from here on the stream is a session's. */
  accept(session: SessionReceiver): void {
    this.#phase = "session";
    this.#session = session;
    // The second field is what drafts up to 06 ask for.
    this.stream.send([
      headersFrame([
        [":status", "200"],
        ["sec-webtransport-http3-draft", "draft02"],
      ]),
    ]);
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) session.onSessionData(bytes);
  }

  /** Answers no. The rest of the request is not looked at. */
  refuse(refusal: Refusal): void {
    this.#phase = "over";
    this.#early = [];
    const body = new TextEncoder().encode(refusal.text);
    const headers = headersFrame([
      [":status", String(refusal.status)],
      ["content-type", "text/plain;charset=utf-8"],
      ["content-length", String(body.length)],
      ...(refusal.status === 405 ? ([["allow", "CONNECT"]] as const) : []),
    ]);
    if (this.#isHead) {
      this.stream.finish(headers);
      return;
    }
    this.stream.send([headers]);
    this.stream.finish(encodeRecord(FrameType.data, body));
  }

  onData(data: Uint8Array): void {
    if (this.#phase !== "over") this.#records.push(data);
  }

  onFin(): void {
    const phase = this.#phase;
    if (phase === "over") return;
    if (phase === "session") {
      this.onEnd();
      return;
    }
    if (this.#records.isInside) throw new Http3Failure(Http3Code.frameError, "a request ends inside a frame");
    if (phase !== "asked") this.stream.reset(Http3Code.requestIncomplete);
  }

  onEnd(): void {
    this.#phase = "over";
    this.#early = [];
    if (this.#session === undefined) return;
    this.#session.onSessionEnd();
    this.#owner.onSessionStreamEnd();
  }

  treat(type: number, length: number): RecordTreatment {
    const isFirst = this.#phase === "first-bytes";
    if (isFirst) this.#phase = "fields";
    if (type === FrameType.webTransportStream) {
      if (!isFirst) throw new Http3Failure(Http3Code.frameError, "a stream signal came inside a stream");
      this.#phase = "over";
      this.#carrier = this.#owner.onCarrierStream(this.stream, length);
      return "endless";
    }
    if (type === FrameType.headers) return this.#treatHeaders(length);
    if (type === FrameType.data) {
      if (this.#phase === "fields") throw new Http3Failure(Http3Code.frameUnexpected, "data came before the fields");
      return this.#phase === "over" ? "skip" : "pieces";
    }
    const isMisplaced =
      type === FrameType.settings ||
      type === FrameType.cancelPush ||
      type === FrameType.goaway ||
      type === FrameType.maxPushId ||
      type === FrameType.pushPromise ||
      isForbiddenFrame(type);
    if (isMisplaced) throw new Http3Failure(Http3Code.frameUnexpected, `frame ${type} has no place on a request stream`);
    return "skip";
  }

  onRecord(_type: number, value: Uint8Array): void {
    const fields = decodeFieldSection(value, MAX_FIELD_SECTION_BYTES);
    if (fields === undefined) {
      this.#refuseLarge();
      return;
    }
    this.#isHead = isHead(fields);
    this.#owner.onRequest(this, fields);
  }

  onPiece(_type: number, bytes: Uint8Array): void {
    if (this.#carrier !== undefined) this.#carrier.onData(bytes);
    else if (this.#session !== undefined) this.#session.onSessionData(bytes);
    else if (this.#phase === "asked") this.#holdEarly(bytes);
  }

  #treatHeaders(length: number): RecordTreatment {
    if (this.#phase === "session") throw new Http3Failure(Http3Code.frameUnexpected, "fields came on a session's stream");
    if (this.#phase !== "fields") return "skip"; // trailers
    this.#phase = "asked";
    this.#owner.onRequestBegin();
    if (length <= MAX_FIELD_SECTION_BYTES) return "whole";
    this.#refuseLarge();
    return "skip";
  }

  #refuseLarge(): void {
    this.refuse({ status: 431, text: `The fields of a request may have ${MAX_FIELD_SECTION_BYTES} bytes.\n` });
  }

  /** Capsules that were sent before the answer count once it is a yes. */
  #holdEarly(bytes: Uint8Array): void {
    this.#earlyBytes += bytes.length;
    if (this.#earlyBytes > MAX_EARLY_BYTES) throw new Http3Failure(Http3Code.excessiveLoad, "too much was sent before the answer");
    this.#early.push(bytes);
  }
}

function headersFrame(fields: readonly Field[]): Uint8Array {
  return encodeRecord(FrameType.headers, encodeFieldSection(fields));
}
