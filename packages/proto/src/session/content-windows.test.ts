import { expect, test } from "vitest";
import { streamIdOf } from "../base/ids.ts";
import { partialBody } from "../control/partial-body.ts";
import { type PlayedPeer, Stage } from "./played-peer.fixture.ts";

const KiB = 1024;
const BLOCK_BYTES = 64 * KiB;
/** Of each content, and of what one may hold. */
const WINDOW_BYTES = 4 * BLOCK_BYTES;
/** Four times what one may hold, and what was under way when that was reached. */
const BOUND_BYTES = 5 * WINDOW_BYTES;

/** A server that offers contents on streams of their own, and answers whatever is asked. */
class Offers {
  readonly stage: Stage;
  readonly #primary: PlayedPeer;
  #answered = 0;
  #seen = 0;

  constructor(count: number) {
    const { stage, primary } = Stage.client({ maxContentWindowBytes: WINDOW_BYTES });
    this.stage = stage;
    this.#primary = primary;
    for (let offerId = 0; offerId < count; offerId += 1) this.#offer(offerId);
  }

  #offer(offerId: number): void {
    const length = BigInt(WINDOW_BYTES);
    const streamId = BigInt(streamIdOf(1, "server", "unidirectional", offerId));
    const offer = { streamId, offerId, contentId: "film", version: "1", contentLength: length, length, blockBytes: BLOCK_BYTES, end: true };
    this.#primary.say(partialBody("contentOffer", offer));
    this.#primary.say(
      partialBody("contentHashes", { streamId, offerId, firstBlock: 0, hashes: new Uint8Array(4 * 32), root: new Uint8Array(32) }),
    );
  }

  /** Until nothing more is asked for; every block is found right. */
  answerAll(): void {
    const { stage } = this;
    for (let isMore = true; isMore; ) {
      stage.pass(20);
      const asked = (this.#primary.messages("rangeRequest") as { requestId: number; offset: bigint; length: bigint }[]).slice(
        this.#answered,
      );
      this.#answered += asked.length;
      for (const { requestId, offset, length } of asked) {
        for (let at = 0; at < Number(length); at += 16 * KiB)
          this.#primary.packet((encoder) => encoder.rangeData(requestId, Number(offset) + at, new Uint8Array(16 * KiB)));
      }
      stage.settle();
      const events = stage.events.slice(this.#seen);
      this.#seen = stage.events.length;
      for (const event of events) {
        if (event.type === "verify-root") stage.session.content.handleVerified(event.fetchId, "root", 0, 0, true);
        if (event.type === "verify-block") stage.session.content.handleVerified(event.fetchId, "block", event.block, event.attempt, true);
      }
      isMore = asked.length > 0 || events.length > 0;
    }
  }

  get streams() {
    return [...this.stage.session.state.streams.values()];
  }

  get heldBytes(): number {
    const { session } = this.stage;
    return this.streams.reduce((sum, { receive }) => sum + (receive?.bufferedBytes ?? 0), session.content.bufferedBytes);
  }
}

// spec: CONTENT-14
test("contents that have come and are not read count: others wait, and go on when they are read", () => {
  const count = 40;
  const offers = new Offers(count);
  const { session, now } = offers.stage;
  offers.answerAll();
  expect(offers.heldBytes).toBeGreaterThanOrEqual(4 * WINDOW_BYTES);
  expect(offers.heldBytes).toBeLessThanOrEqual(BOUND_BYTES);
  let read = 0;
  for (let round = 0; round < count && read < count * WINDOW_BYTES; round += 1) {
    for (const entry of offers.streams) {
      for (let data = session.read(now, entry); data !== undefined; data = session.read(now, entry)) read += data.length;
    }
    offers.answerAll();
    expect(offers.heldBytes).toBeLessThanOrEqual(BOUND_BYTES);
  }
  expect(read).toBe(count * WINDOW_BYTES);
  expect(session.content.hasFetches).toBe(false);
});

// spec: CONTENT-14
test("a reader who stops makes room for contents that wait, as one who reads does", () => {
  const count = 20;
  const offers = new Offers(count);
  const { session } = offers.stage;
  let stopped = 0;
  for (let round = 0; round < count && stopped < count; round += 1) {
    offers.answerAll();
    expect(offers.heldBytes).toBeLessThanOrEqual(BOUND_BYTES);
    const whole = offers.streams.filter(({ receive }) => receive?.bufferedBytes === WINDOW_BYTES);
    expect(whole.length).toBeGreaterThan(0);
    for (const entry of whole) session.stopReading(entry, 1);
    stopped += whole.length;
  }
  expect(stopped).toBe(count);
  expect(session.content.hasFetches).toBe(false);
});
