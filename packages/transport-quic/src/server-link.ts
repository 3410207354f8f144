import { ErrorCode } from "@kwik/core";
import type { Link } from "@kwik/core";
import { EventType } from "./engine/binding.ts";
import type { NativeEvent } from "./engine/binding.ts";
import type { ServerConnection } from "./engine/server-connection.ts";
import type { QuicLink } from "./quic-link.ts";
import { QUERY_PREAMBLE } from "./certificate-query.ts";

/** How long a client may take to say what it wants, in milliseconds; also how long a certificate query may stay connected. */
const FIRST_BYTES_TIMEOUT_MS = 5_000;

/**
 * A connection on the server, before and after it is somebody's link. The first bytes decide: a certificate query is answered here
 * and nobody above hears of it; anything else, bytes included, goes to `onLink`.
 */
export class ServerLink {
  readonly link: QuicLink;
  readonly connection: ServerConnection;
  /** Whether it had an event in the batch that is being handed over. */
  isTouched = false;
  readonly #answer: Uint8Array;
  readonly #onLink: (link: Link) => void;
  #phase: "first-bytes" | "offered" | "query" = "first-bytes";
  /** What came before the decision. */
  #held: NativeEvent[] = [];
  #first = Buffer.alloc(0);
  readonly #timer: NodeJS.Timeout;

  constructor(link: QuicLink, connection: ServerConnection, answer: Uint8Array, onLink: (link: Link) => void) {
    this.link = link;
    this.connection = connection;
    this.#answer = answer;
    this.#onLink = onLink;
    this.#timer = setTimeout(() => link.close(ErrorCode.TIMEOUT, "nothing was asked in time"), FIRST_BYTES_TIMEOUT_MS);
    this.#timer.unref();
  }

  handle(event: NativeEvent): void {
    if (this.#phase === "offered") this.link.handle(event);
    else if (this.#phase === "first-bytes") this.#decide(event);
  }

  endBatch(): void {
    if (this.#phase === "offered") this.link.endBatch();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #decide(event: NativeEvent): void {
    if (event.eventType === EventType.close) return; // came and went without a word
    this.#held.push(event);
    if (event.streamId < 0) return;
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

  #answerQuery(streamId: number): void {
    this.#phase = "query";
    this.#held = [];
    // A few kilobytes into a connection that holds nothing else; if they are refused the client asks again.
    this.connection.send(streamId, this.#answer);
  }

  #offer(): void {
    this.stop();
    this.#phase = "offered";
    const held = this.#held;
    this.#held = [];
    this.#onLink(this.link);
    if (!this.link.isAttached) throw new Error("nobody attached to the link");
    for (const event of held) this.link.handle(event);
  }
}
