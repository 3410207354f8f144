import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { MemberId } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";
import { ContentFetch } from "../content/content-fetch.ts";
import { blockCountOf, MAX_BLOCKS, MAX_FURTHER_CONTENTS, type ContentOffer } from "../content/content-offer.ts";
import { body, type ControlMessage } from "../control/control-body.ts";
import { ContentSources } from "./content-sources.ts";
import { ContentWindows } from "./content-windows.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";
import { StreamSignal, type StreamEntry } from "./stream-entry.ts";

/** Blocks of all contents under way, at most: bounds the memory that hashes can take (128 MiB). */
const MAX_BLOCKS_AT_ONCE = 4 * MAX_BLOCKS;

/** Of ranges; a server sends the higher first. spec: CONTENT-16 */
const USUAL_PRIORITY = 128;
const URGENT_PRIORITY = 192;

/** A content whose every source is isolated waits this long for another, in milliseconds. */
const STARVED_MS = 1_000;

interface Fetch {
  readonly fetchId: number;
  readonly home: Peer;
  readonly offer: ContentOffer;
  readonly content: ContentFetch;
  readonly entry: StreamEntry;
  /** Since when nobody is left to ask. */
  starvedSince: Instant | undefined;
}

/** The client's side of contents: which are being fetched, from whom, and their bytes into streams. spec: CONTENT-2 … CONTENT-5 */
export class ContentClient {
  readonly #state: SessionState;
  readonly #sources: ContentSources;
  readonly #windows: ContentWindows;
  readonly #fetches = new Map<number, Fetch>();
  /** Of the contents that are over. */
  #endedDuplicateBytes = 0;
  readonly #byRequest = new Map<number, Fetch>();
  #nextFetch = 1;
  #nextRequest = 1;

  constructor(state: SessionState) {
    this.#state = state;
    this.#sources = new ContentSources(state);
    this.#windows = new ContentWindows(state.limits.maxContentWindowBytes);
  }

  handleOffer(home: Peer, message: ControlMessage<"contentOffer">): ProtocolFailure | undefined {
    const offer: ContentOffer = {
      streamId: Number(message.streamId),
      offerId: message.offerId,
      home: home.member,
      streamOffset: Number(message.streamOffset),
      contentId: message.contentId,
      version: message.version,
      contentLength: Number(message.contentLength),
      contentOffset: Number(message.contentOffset),
      length: Number(message.length),
      blockBytes: message.blockBytes,
      end: message.end,
    };
    const problem = ContentFetch.validate(offer, this.#state.limits);
    if (problem !== undefined) return problem;
    let blocks = blockCountOf(offer);
    for (const fetch of this.#fetches.values()) blocks += blockCountOf(fetch.offer);
    // spec: CONTENT-22
    const ofHome = [...this.#fetches.values()].filter((fetch) => fetch.home === home);
    const streams = new Set(ofHome.map((fetch) => fetch.offer.streamId));
    const isTooMany = streams.has(offer.streamId) && ofHome.length - streams.size >= MAX_FURTHER_CONTENTS;
    if (isTooMany || blocks > MAX_BLOCKS_AT_ONCE) return failure(ErrorCode.LIMIT_REACHED, "too many contents at once");
    const entry = this.#state.streams.admit(home, offer.streamId);
    if (entry !== undefined && "code" in entry) return entry;
    const receive = entry?.receive;
    if (entry === undefined || receive === undefined || receive.stopCode !== undefined || receive.resetCode !== undefined) {
      // The stream is over: nobody wants the content any more.
      this.#done(home, offer, ErrorCode.STREAM_STATE, "the stream is closed", receive?.stopCode);
      return undefined;
    }
    if (entry.peer !== home) return failure(ErrorCode.PROTOCOL_VIOLATION, `a content for stream ${offer.streamId}, whose home is another`);
    const reserved = receive.reserveContent(offer.streamOffset, offer.length);
    if (reserved !== undefined) return reserved;
    if (offer.end) {
      const refused = receive.setFinalSize(offer.streamOffset + offer.length);
      if (refused !== undefined) return refused;
    }
    const content = new ContentFetch(offer, {
      limits: this.#state.limits,
      allocateRequestId: () => this.#nextRequest++,
      bytesAhead: offer.streamOffset - receive.readOffset,
    });
    const fetch: Fetch = { fetchId: this.#nextFetch++, home, offer, content, entry, starvedSince: undefined };
    this.#fetches.set(fetch.fetchId, fetch);
    this.#shareWindow();
    for (const peer of this.#state.peers.values()) this.#sources.update(content, home, peer);
    this.#advance(fetch);
    return undefined;
  }

  handleHashes(home: Peer, message: ControlMessage<"contentHashes">): ProtocolFailure | undefined {
    for (const fetch of this.#fetches.values()) {
      if (fetch.home !== home || fetch.offer.offerId !== message.offerId) continue;
      const root = message.root.length === 0 ? undefined : message.root;
      const problem = fetch.content.handleHashes(message.firstBlock, message.hashes, root);
      if (problem !== undefined) return problem;
      this.#advance(fetch);
    }
    return undefined;
  }

  handleRangeData(from: Peer, requestId: number, offset: number, data: Uint8Array): ProtocolFailure | undefined {
    const fetch = this.#byRequest.get(requestId);
    if (fetch === undefined) {
      from.duplicateBytes += data.length;
      return undefined;
    }
    const owner = fetch.content.ownerOf(requestId);
    if (owner !== undefined && owner !== from.member) {
      return failure(ErrorCode.PROTOCOL_VIOLATION, `member ${from.member} answered a range of member ${owner}`);
    }
    const problem = fetch.content.handleRangeData(this.#state.now, requestId, offset, data);
    if (problem !== undefined) return problem;
    if (fetch.content.ownerOf(requestId) === undefined) this.#byRequest.delete(requestId);
    this.#advance(fetch);
    return undefined;
  }

  handleRefused(from: Peer, message: ControlMessage<"rangeRefused">): void {
    const fetch = this.#byRequest.get(message.requestId);
    // Only who was asked can refuse. spec: CONTENT-9
    if (fetch?.content.ownerOf(message.requestId) !== from.member) return;
    fetch.content.handleRefused(this.#state.now, message.requestId, message.code, message.reason, message.version);
    this.#advance(fetch);
  }

  handleVerified(fetchId: number, kind: "block" | "root", block: number, attempt: number, isRight: boolean): void {
    const fetch = this.#fetches.get(fetchId);
    if (fetch === undefined) return;
    fetch.content.handleVerified(this.#state.now, kind, block, attempt, isRight);
    this.#advance(fetch);
  }

  /** The application has read on: the window of the content moves. */
  handleRead(entry: StreamEntry): void {
    const readOffset = entry.receive?.readOffset ?? 0;
    for (const fetch of this.#fetches.values()) {
      if (fetch.entry !== entry) continue;
      const { offer } = fetch;
      const inContent = Math.min(readOffset - offer.streamOffset, offer.length);
      fetch.content.setReadOffset(offer.contentOffset + inContent, this.#state.now);
      this.#advance(fetch);
    }
    if (this.#windows.mayGoOn(entry)) this.#shareAnew();
  }

  /** The paths to a member changed: it may be a source now, or no longer. */
  memberChanged(peer: Peer): void {
    for (const fetch of this.#fetches.values()) {
      this.#sources.update(fetch.content, fetch.home, peer);
      this.#advance(fetch);
    }
  }

  /** The home is gone for good: contents whose hashes it has not told completely can never be verified. */
  homeLost(peer: Peer, reason: string): void {
    for (const fetch of this.#fetches.values()) {
      if (fetch.home !== peer || fetch.content.hasAllHashes) continue;
      fetch.content.giveUp(ErrorCode.HOME_LOST, `${reason}; it had not told all hashes of "${fetch.offer.contentId}"`);
      this.#advance(fetch);
    }
  }

  /** The stream is over for the reader: stop asking. */
  streamEnded(entry: StreamEntry, reason: string): void {
    for (const fetch of this.#fetches.values()) {
      if (fetch.entry !== entry) continue;
      // What was asked for is not waited for, and need not be sent.
      fetch.content.giveUp(ErrorCode.STREAM_STATE, reason);
      this.#request(fetch);
      this.#drop(fetch, ErrorCode.STREAM_STATE, reason);
    }
    if (this.#windows.forget(entry)) this.#shareAnew();
  }

  /** The process did not run until now: that nothing came says nothing of the sources. */
  wokeUp(now: Instant): void {
    for (const fetch of this.#fetches.values()) fetch.content.wokeUp(now);
  }

  get hasFetches(): boolean {
    return this.#fetches.size > 0;
  }

  /**
   * Whether a content is under way that brings the next missing bytes of a stream, so that its home need not be alive. One behind a hole does not: what
   * the home had not sent before it comes from nobody. spec: CONTENT-5
   */
  carries(entry: StreamEntry): boolean {
    const missing = entry.receive?.firstMissingOffset ?? 0;
    for (const { entry: owner, offer } of this.#fetches.values()) {
      if (owner === entry && offer.streamOffset <= missing && missing <= offer.streamOffset + offer.length) return true;
    }
    return false;
  }

  /** Whether contents bring a stream to its end from others than its home, which is of no use for it any more. spec: CONTENT-5, DRAIN-4 */
  completes(entry: StreamEntry): boolean {
    const { receive, sender, peer } = entry;
    const sending = sender?.stream.state ?? "finished";
    if (receive?.finalSize === undefined || (sending !== "finished" && sending !== "reset-acknowledged")) return false;
    let covered = receive.firstMissingOffset;
    const parts = [...this.#fetches.values()].filter((fetch) => fetch.entry === entry);
    for (const { offer, content } of parts.sort((a, b) => a.offer.streamOffset - b.offer.streamOffset)) {
      const isElsewhere = content.sources().some((one) => one.member !== peer.member && one.state === "usable" && one.bytesVerified > 0);
      if (offer.streamOffset > covered || !content.hasAllHashes || !isElsewhere) return false;
      covered = Math.max(covered, offer.streamOffset + offer.length);
    }
    return covered >= receive.finalSize;
  }

  /** Bytes that are asked of a member and have not come. */
  outstandingFrom(member: MemberId): number {
    let bytes = 0;
    for (const fetch of this.#fetches.values()) {
      for (const source of fetch.content.sources()) if (source.member === member) bytes += source.outstandingBytes;
    }
    return bytes;
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const fetch of this.#fetches.values()) {
      for (const at of [fetch.content.nextTimeout(), this.#starvedUntil(fetch)]) {
        if (at !== undefined && (next === undefined || at < next)) next = at;
      }
    }
    return next;
  }

  handleTimeout(now: Instant): void {
    for (const fetch of this.#fetches.values()) {
      const at = fetch.content.nextTimeout();
      const until = this.#starvedUntil(fetch);
      if (until !== undefined && until <= now) {
        fetch.content.giveUp(ErrorCode.CONTENT_UNAVAILABLE, `no server is left that has "${fetch.offer.contentId}" in this version`);
      } else if (at === undefined || at > now) continue;
      else fetch.content.handleTimeout(now);
      this.#advance(fetch);
    }
  }

  /** Until when a content without any source waits for one: briefly, but not while a server, or the session, is waited for. spec: RESUME-1, RESUME-2 */
  #starvedUntil(fetch: Fetch): Instant | undefined {
    if (!fetch.content.isStarved || this.#isSomebodyAway()) {
      fetch.starvedSince = undefined;
      return undefined;
    }
    fetch.starvedSince ??= this.#state.now;
    return fetch.starvedSince + STARVED_MS;
  }

  #isSomebodyAway(): boolean {
    const { peers, paths } = this.#state;
    let isAnyoneHere = false;
    for (const peer of peers.values()) {
      if (peer.isLost || !peer.isKnown) continue;
      if (paths.usableOf(peer.member).length === 0) return true;
      isAnyoneHere = true;
    }
    return !isAnyoneHere;
  }

  get bufferedBytes(): number {
    let bytes = 0;
    for (const fetch of this.#fetches.values()) bytes += fetch.content.bufferedBytes;
    return bytes;
  }

  get duplicateBytes(): number {
    let bytes = this.#endedDuplicateBytes;
    for (const fetch of this.#fetches.values()) bytes += fetch.content.duplicateBytes;
    return bytes;
  }

  #advance(fetch: Fetch): void {
    const { content, entry } = fetch;
    for (let wanted = content.pollVerify(); wanted !== undefined; wanted = content.pollVerify()) {
      const { fetchId } = fetch;
      if (wanted.kind === "root") this.#state.emit({ type: "verify-root", fetchId, hashes: wanted.hashes, expected: wanted.expected });
      else
        this.#state.emit({
          type: "verify-block",
          fetchId,
          block: wanted.block,
          attempt: wanted.attempt,
          parts: wanted.parts,
          expected: wanted.expected,
        });
    }
    let hasNew = false;
    for (let piece = content.pollDelivery(); piece !== undefined; piece = content.pollDelivery()) {
      entry.receive?.deliverContent(piece.offset, piece.data);
      hasNew = true;
    }
    if (hasNew && (entry.receive?.readableBytes ?? 0) > 0) this.#state.streams.signal(entry, StreamSignal.readable);
    for (let gone = content.pollIsolated(); gone !== undefined; gone = content.pollIsolated())
      this.#sources.isolated(gone, fetch.offer.contentId);
    this.#request(fetch);
    if (content.isComplete) this.#drop(fetch, ErrorCode.NO_ERROR, "");
    else if (content.failure !== undefined) {
      const { code, reason } = content.failure;
      this.#drop(fetch, code, reason);
      entry.failure ??= { code, reason };
      this.#state.streams.signal(entry, StreamSignal.ended | StreamSignal.readable);
    }
  }

  #request(fetch: Fetch): void {
    const { now } = this.#state;
    for (let next = fetch.content.pollRequest(now); next !== undefined; next = fetch.content.pollRequest(now)) {
      const { control, isLost } = this.#state.peerOf(next.member);
      if (next.kind === "cancel") {
        this.#byRequest.delete(next.requestId);
        // One that is out of reach hears it when it is back, before it sends in vain.
        if (!isLost) control.send(body("rangeCancel", { requestId: next.requestId }));
        continue;
      }
      this.#byRequest.set(next.requestId, fetch);
      control.send(
        body("rangeRequest", {
          requestId: next.requestId,
          contentId: fetch.offer.contentId,
          version: fetch.offer.version,
          contentLength: BigInt(fetch.offer.contentLength),
          offset: BigInt(next.offset),
          length: BigInt(next.length),
          priority: next.isUrgent ? URGENT_PRIORITY : USUAL_PRIORITY,
        }),
      );
    }
  }

  #shareWindow(): void {
    this.#windows.share(Array.from(this.#fetches.values(), ({ content }) => content));
  }

  #shareAnew(): void {
    this.#shareWindow();
    for (const fetch of this.#fetches.values()) this.#request(fetch);
  }

  #drop(fetch: Fetch, code: ErrorCode, reason: string): void {
    this.#fetches.delete(fetch.fetchId);
    const { streamOffset, length } = fetch.offer;
    if (fetch.content.isComplete) this.#windows.hasCome(fetch.entry, streamOffset + length);
    this.#shareAnew();
    this.#endedDuplicateBytes += fetch.content.duplicateBytes;
    for (const [requestId, owner] of this.#byRequest) {
      if (owner === fetch) this.#byRequest.delete(requestId);
    }
    this.#done(fetch.home, fetch.offer, code, reason, code === ErrorCode.STREAM_STATE ? fetch.entry.receive?.stopCode : undefined);
    if (fetch.home.isLost && !this.carries(fetch.entry)) this.#endWithoutHome(fetch.entry);
  }

  /** The last content of a stream whose home is gone: nothing follows, and nobody says so. */
  #endWithoutHome(entry: StreamEntry): void {
    const { streams } = this.#state;
    const { receive } = entry;
    // Its own bytes may be missing before the content, also where that is the stream's end.
    if (receive?.finalSize === undefined || receive.firstMissingOffset < receive.finalSize)
      entry.failure ??= { code: ErrorCode.HOME_LOST, reason: "the server at which the stream lived is gone" };
    streams.signal(entry, StreamSignal.ended | StreamSignal.readable | StreamSignal.writable | StreamSignal.sendDone);
    streams.remove(entry);
    // Further ones lie behind bytes that nobody brings.
    this.streamEnded(entry, "the server at which the stream lived is gone");
  }

  /** The reader's code goes with it: by the time of its STOP_SENDING the home may have forgotten the stream, whose own end was acknowledged. */
  #done(home: Peer, { streamId, offerId }: ContentOffer, code: ErrorCode, reason: string, stopCode: number | undefined): void {
    if (home.isLost) return;
    const stopped = stopCode !== undefined;
    home.control.send(body("contentDone", { streamId: BigInt(streamId), offerId, code, reason, stopped, stopCode: BigInt(stopCode ?? 0) }));
  }
}
