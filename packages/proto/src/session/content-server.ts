import { CLIENT_MEMBER } from "../base/ids.ts";
import { RangeQueue } from "../content/range-queue.ts";
import { body, type ControlMessage } from "../control/control-body.ts";
import { OfferTurns } from "./offer-turns.ts";
import type { ErrorCode, ProtocolFailure } from "../base/error-codes.ts";
import { streamFrameOverhead, type PacketEncoder } from "../wire/packet-encoder.ts";
import type { SentFrame } from "./sent-frame.ts";
import type { SessionState } from "./session-state.ts";
import type { Sendable } from "./sendable.ts";
import type { StreamEntry } from "./stream-entry.ts";

/** Ranges that a client may have under way at this server. */
const MAX_RANGE_REQUESTS = 1024;
const CONTENT_PRIORITY = 128;

/** A server's side of contents: offers of its own, and the ranges that the client asks of it. spec: CONTENT-1, CONTENT-2 */
export class ContentServer implements Sendable {
  readonly #state: SessionState;
  readonly #ranges = new RangeQueue({ maxRequests: MAX_RANGE_REQUESTS });
  readonly #turns: OfferTurns;
  /** Of each, the stream; no entry for one that is over already. */
  readonly #offers = new Map<number, { readonly streamId: bigint; readonly entry: StreamEntry | undefined }>();
  #nextOffer = 1;
  isQueued = false;

  constructor(state: SessionState) {
    this.#state = state;
    this.#turns = new OfferTurns((message) => this.#control().send(message));
  }

  get priority(): number {
    return CONTENT_PRIORITY;
  }

  get isReady(): boolean {
    return this.#ranges.isReady;
  }

  get readyBytes(): number {
    return this.#ranges.readyBytes;
  }

  get expectedBytes(): number {
    return this.#ranges.readyBytes;
  }

  readonly carrierKey = 0;

  /** Offers a content as the next part of a stream. Answers the number of the offer; a `content-done` event ends it. */
  offer(offer: Omit<ControlMessage<"contentOffer">, "offerId">): number {
    const offerId = this.#nextOffer++;
    const { streamId } = offer;
    const entry = this.#state.streams.get(Number(streamId));
    if (entry !== undefined) entry.offers += 1;
    this.#offers.set(offerId, { streamId, entry });
    this.#turns.offer(offerId, streamId, body("contentOffer", { ...offer, offerId }));
    return offerId;
  }

  /** Tells hashes of consecutive blocks, 32 bytes each, and with the last of them the root. */
  sendHashes(offerId: number, firstBlock: number, hashes: Uint8Array, root: Uint8Array | undefined): void {
    const offer = this.#offers.get(offerId);
    if (offer === undefined) return;
    this.#turns.say(
      offerId,
      body("contentHashes", { streamId: offer.streamId, offerId, firstBlock, hashes, root: root ?? new Uint8Array(0) }),
    );
  }

  handleDone(message: ControlMessage<"contentDone">): void {
    const offer = this.#offers.get(message.offerId);
    if (offer === undefined) return;
    this.#offers.delete(message.offerId);
    this.#turns.done(message.offerId);
    if (offer.entry !== undefined) this.#state.streams.offerDone(offer.entry);
    this.#state.emit({
      type: "content-done",
      streamId: Number(message.streamId),
      offerId: message.offerId,
      code: message.code,
      reason: message.reason,
      stopCode: message.stopped ? Number(message.stopCode) : undefined,
    });
  }

  handleRequest(message: ControlMessage<"rangeRequest">): ProtocolFailure | undefined {
    const problem = this.#ranges.request(
      message.requestId,
      message.contentId,
      message.version,
      Number(message.contentLength),
      Number(message.offset),
      Number(message.length),
      message.priority,
    );
    this.#advance();
    return problem;
  }

  handleCancel(message: ControlMessage<"rangeCancel">): void {
    this.#ranges.cancel(message.requestId);
    this.#advance();
  }

  handleRead(requestId: number, offset: number, data: Uint8Array): void {
    this.#ranges.handleRead(requestId, offset, data);
    this.#advance();
  }

  handleReadFailed(requestId: number, offset: number, code: ErrorCode, reason: string, version: string): void {
    this.#ranges.handleReadFailed(requestId, offset, code, reason, version);
    this.#advance();
  }

  fill(encoder: PacketEncoder, maxBytes: number, frames: SentFrame[]): number {
    const room = maxBytes - streamFrameOverhead(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, maxBytes);
    if (room <= 0) return 0;
    const segment = this.#ranges.take(room);
    if (segment === undefined) return 0;
    const before = encoder.payloadBytes;
    encoder.rangeData(segment.requestId, segment.offset, segment.data);
    frames.push(new RangeSegmentSent(this, segment.requestId, segment.offset, segment.data.length));
    return encoder.payloadBytes - before;
  }

  markAcked(requestId: number, offset: number, length: number): void {
    this.#ranges.markAcked(requestId, offset, length);
    this.#advance();
  }

  markLost(requestId: number, offset: number, length: number): void {
    this.#ranges.markLost(requestId, offset, length);
    this.#advance();
  }

  /** Bytes that went out, to go out a second time; undefined if they are not held any more. */
  copyOf(requestId: number, offset: number, length: number): Uint8Array | undefined {
    return this.#ranges.copyOf(requestId, offset, length);
  }

  get bufferedBytes(): number {
    return this.#ranges.bufferedBytes;
  }

  #advance(): void {
    for (let read = this.#ranges.pollRead(); read !== undefined; read = this.#ranges.pollRead()) {
      this.#state.emit({ type: "content-read", ...read });
    }
    for (let refused = this.#ranges.pollRefused(); refused !== undefined; refused = this.#ranges.pollRefused()) {
      this.#control().send(body("rangeRefused", refused));
    }
    this.#state.peerOf(CLIENT_MEMBER).enqueue(this);
  }

  #control() {
    return this.#state.peerOf(CLIENT_MEMBER).control;
  }
}

class RangeSegmentSent implements SentFrame {
  readonly #server: ContentServer;
  readonly #requestId: number;
  readonly #offset: number;
  readonly #length: number;

  constructor(server: ContentServer, requestId: number, offset: number, length: number) {
    this.#server = server;
    this.#requestId = requestId;
    this.#offset = offset;
    this.#length = length;
  }

  copyInto(encoder: PacketEncoder, maxBytes: number): SentFrame | undefined {
    const length = Math.min(this.#length, maxBytes - streamFrameOverhead(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, maxBytes));
    const data = this.#server.copyOf(this.#requestId, this.#offset, length);
    if (data === undefined) return undefined;
    encoder.rangeData(this.#requestId, this.#offset, data);
    return length === this.#length ? this : new RangeSegmentSent(this.#server, this.#requestId, this.#offset, length);
  }

  acknowledged(): void {
    this.#server.markAcked(this.#requestId, this.#offset, this.#length);
  }

  lost(): void {
    this.#server.markLost(this.#requestId, this.#offset, this.#length);
  }
}
