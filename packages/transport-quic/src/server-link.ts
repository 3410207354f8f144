import { ErrorCode } from "@kwik/core";
import type { Link, RefusalReason, WebRules } from "@kwik/core";
import { Http3Connection } from "@kwik/transport-webtransport";
import { EventType } from "./engine/binding.ts";
import type { NativeEvent } from "./engine/binding.ts";
import type { ServerConnection } from "./engine/server-connection.ts";
import type { QuicLink } from "./quic-link.ts";
import { QUERY_PREAMBLE } from "./certificate-query.ts";

/** How long a client may take to say what it wants, in milliseconds; also how long a certificate query may stay connected. */
const FIRST_BYTES_TIMEOUT_MS = 5_000;

/**
 * Events of a client that are held until it is known what it wants, at most. Their bytes are fewer than those of a query, since more than that decides; each event of
 * an honest client brings one of them at least.
 */
const MAX_HELD_EVENTS = 16;

/** First byte of an HTTP/3 request: a HEADERS frame. RFC 9114 section 7.2.2 */
const HEADERS_FRAME = 0x01;

/** What a listener does with its connections. */
export interface ServerLinkOptions {
  /** The answer to certificate queries. */
  readonly answer: Uint8Array;
  /** Which sessions WebTransport may open; undefined where HTTP/3 is not spoken. */
  readonly web: WebRules | undefined;
  onLink(link: Link): void;
  /** It is known what the client wants. */
  onDecided(peer: ServerLink): void;
  /** The client said nothing in its time, or too much that says nothing; the connection goes. */
  onRefused(peer: ServerLink, why: string, reason: RefusalReason): void;
  /** A page was refused because of its origin. */
  onRefusedOrigin(origin: string): void;
}

/**
 * A connection on the server, before and after it is somebody's link. The first bytes decide: a certificate query is answered here
 * and nobody above hears of it; HTTP/3, if it is spoken, is served until it brings a session; anything else, bytes included, goes to
 * `onLink`. Datagrams that come before are lost, as the network could have lost them. The engine does not tell which protocol the handshake agreed on.
 */
export class ServerLink {
  readonly link: QuicLink;
  readonly connection: ServerConnection;
  /** Whether it had an event in the batch that is being handed over. */
  isTouched = false;
  readonly #options: ServerLinkOptions;
  #phase: "first-bytes" | "offered" | "query" = "first-bytes";
  /** What came on streams before the decision. */
  #held: NativeEvent[] = [];
  #first = Buffer.alloc(0);
  #http3: Http3Connection | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(link: QuicLink, connection: ServerConnection, options: ServerLinkOptions) {
    this.link = link;
    this.connection = connection;
    this.#options = options;
    this.#timer = setTimeout(() => {
      // Certificate queries end here too, if their client does not end them.
      if (this.#phase === "first-bytes") options.onRefused(this, "it asked nothing in time", "timeout");
      this.#end(ErrorCode.TIMEOUT, "nothing was asked in time");
    }, FIRST_BYTES_TIMEOUT_MS);
    this.#timer.unref();
  }

  /** Whether it speaks HTTP/3. */
  get isHttp3(): boolean {
    return this.#http3 !== undefined;
  }

  handle(event: NativeEvent): void {
    if (this.#phase === "offered") this.link.handle(event);
    else if (this.#phase === "first-bytes" && !this.link.isClosed) this.#decide(event);
  }

  endBatch(): void {
    if (this.#phase === "offered") this.link.endBatch();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Closes what it is. Resolves at once, except where the other side has to be told before the connection goes. */
  async close(code: number, reason: string): Promise<void> {
    if (this.#http3 === undefined) this.link.close(code, reason);
    else await this.#http3.close(code, reason);
  }

  /** Ends the link because code above it failed. */
  fail(reason: string): void {
    if (this.#http3 === undefined) this.link.fail(reason);
    else this.#http3.fail(reason);
  }

  #decide(event: NativeEvent): void {
    // It came and went without a word, or sent a datagram to nobody: whatever is of no stream is not held.
    if (event.streamId < 0 || event.eventType === EventType.close) return;
    if (this.#held.length >= MAX_HELD_EVENTS) {
      this.#options.onRefused(this, "it sent too much that says nothing", "held-bytes");
      this.#end(ErrorCode.LIMIT_REACHED, "too much was sent that says nothing");
      return;
    }
    this.#held.push(event);
    if (!this.connection.identify()) {
      this.#end(ErrorCode.LINK_LOST, "the connection is gone");
      return;
    }
    const { web } = this.#options;
    if (web !== undefined && this.#looksLikeHttp3(event)) {
      this.#serveHttp3(web);
      return;
    }
    if (event.eventType !== EventType.stream && event.eventType !== EventType.data) {
      this.#offer();
      return;
    }
    const first = this.#held.find((held) => held.eventType === EventType.stream);
    if (first?.streamId !== event.streamId || event.fin === true) {
      this.#offer();
      return;
    }
    if (event.data !== undefined) this.#first = Buffer.concat([this.#first, event.data]);
    const compared = Math.min(this.#first.length, QUERY_PREAMBLE.length);
    if (this.#first.compare(QUERY_PREAMBLE, 0, compared, 0, compared) !== 0) this.#offer();
    else if (compared === QUERY_PREAMBLE.length) this.#answerQuery(event.streamId);
  }

  /** HTTP/3 begins with a unidirectional stream, which kwik does not have, or if that was delayed with a request. */
  #looksLikeHttp3(event: NativeEvent): boolean {
    return event.streamId % 4 === 2 || (this.#first.length === 0 && event.data?.[0] === HEADERS_FRAME);
  }

  #answerQuery(streamId: number): void {
    this.#phase = "query";
    this.#held = [];
    // A few kilobytes into a connection that holds nothing else; if they are refused the client asks again.
    this.connection.send(streamId, this.#options.answer);
  }

  #serveHttp3(rules: WebRules): void {
    // It has a time of its own in which to ask for a session, and is undecided until then.
    const held = this.#release();
    this.link.admitUnidirectional();
    this.#http3 = new Http3Connection(this.link, {
      ...rules,
      onLink: (link) => {
        this.#options.onDecided(this);
        this.#options.onLink(link);
      },
      onRefusedOrigin: (origin) => this.#options.onRefusedOrigin(origin),
    });
    for (const event of held) this.link.handle(event);
  }

  #offer(): void {
    const held = this.#release();
    this.#options.onDecided(this);
    this.#options.onLink(this.link);
    if (!this.link.isAttached) throw new Error("nobody attached to the link");
    for (const event of held) this.link.handle(event);
  }

  /** Nobody hears of it any more. */
  #end(code: ErrorCode, reason: string): void {
    this.stop();
    this.#held = [];
    this.link.close(code, reason);
  }

  /** From here on events go to the link; answers those that came before. */
  #release(): readonly NativeEvent[] {
    this.stop();
    this.#phase = "offered";
    const held = this.#held;
    this.#held = [];
    return held;
  }
}
