import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { streamIdOf } from "../base/ids.ts";
import { partialBody } from "../control/partial-body.ts";
import { CREDIT, type PlayedPeer, SESSION_ID, Stage } from "./played-peer.fixture.ts";

const KiB = 1024;

/** A client with a primary and a second server that the primary vouches for. */
function three() {
  const { stage, primary } = Stage.client();
  return { stage, primary, second: stage.dialVouched("b.example:1", "sha256:b") };
}

// spec: RAW-1, CTRL-15
test("a reply to a raw message with a code that no control message can carry reaches the asker as INTERNAL_ERROR", () => {
  const { primary, second } = three();
  primary.say(partialBody("rawMessage", { requestId: 7, targetPathId: 1, data: Uint8Array.of(1) }));
  const [, requestId] = second.frames("raw")[0] as [string, number];
  second.packet((encoder) => encoder.rawReply(requestId, 2 ** 40, new Uint8Array(0)));
  expect(primary.messages("rawReply")).toEqual([expect.objectContaining({ requestId: 7, code: ErrorCode.INTERNAL_ERROR })]);
});

// spec: CTRL-15
test("a link that closes with a code that no control message can carry fails the path, and says so to who wanted it", () => {
  const { stage, primary } = Stage.client();
  const plan = { address: "b.example:1", identity: "sha256:b", priority: 128, request: { member: 1, requestId: 3 } };
  const path = stage.session.opening.openPath(0, plan);
  stage.session.linkLost(0, path.id, 2 ** 60, "x".repeat(100_000));
  stage.settle();
  expect(primary.messages("addPathResult")).toEqual([expect.objectContaining({ requestId: 3, code: ErrorCode.INTERNAL_ERROR })]);
  const [result] = primary.messages("addPathResult") as { reason: string }[];
  expect(result?.reason.length).toBeLessThan(2000);
});

// spec: CONTENT-9
test("a server cannot refuse in another's name the ranges that were asked of that one", () => {
  const { stage, primary, second } = three();
  const streamId = BigInt(streamIdOf(1, "server", "unidirectional", 0));
  const length = 1_000_000n;
  primary.say(
    partialBody("contentOffer", {
      streamId,
      offerId: 1,
      contentId: "film",
      version: "1",
      contentLength: length,
      length,
      blockBytes: 64 * KiB,
    }),
  );
  const asked = primary.messages("rangeRequest") as { requestId: number }[];
  expect(asked.length).toBeGreaterThan(0);
  for (const { requestId } of asked) {
    second.say(partialBody("rangeRefused", { requestId, code: ErrorCode.CONTENT_NOT_FOUND }));
  }
  expect(stage.events.filter((event) => event.type === "source-isolated")).toEqual([]);
  expect(second.closed).toBeUndefined();
});

// spec: PATH-8
test("only the server that was asked for a ticket can give or refuse it", () => {
  const { stage, primary, second } = three();
  const path = stage.session.opening.openPath(0, {
    address: "c.example:1",
    identity: "sha256:c",
    priority: 128,
    request: { member: 1, requestId: 1 },
  });
  stage.session.clientPaths?.requestTicket(path.id, "sha256:c");
  stage.settle();
  second.say(partialBody("ticketReply", { requestId: path.id, code: ErrorCode.TICKET_REFUSED, reason: "no" }));
  expect(stage.events.filter((event) => event.type === "ticket")).toEqual([]);
  primary.say(partialBody("ticketReply", { requestId: path.id, ticket: "t" }));
  expect(stage.events).toContainEqual(expect.objectContaining({ type: "ticket", ticket: "t", fromMember: 1 }));
});

// spec: SESS-1, SESS-2
test("a joined server answers for this session and under its own number, or its path ends", () => {
  for (const wrong of [
    { sessionId: new Uint8Array(16), memberId: 2 },
    { sessionId: SESSION_ID, memberId: 1 },
  ]) {
    const { stage } = Stage.client();
    const second = stage.dial("b.example:1", "sha256:b");
    second.say(partialBody("helloReply", { version: 1, credit: CREDIT, ...wrong }));
    expect(second.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
    expect(stage.session.state.paths.usableOf(2)).toEqual([]);
  }
});

// spec: CTRL-9
test("a server says nothing on the control carrier before its reply, and refuses nothing after it", () => {
  const stage = new Stage("client", 0);
  const early = stage.dial("a.example:1");
  early.say(partialBody("addPath", { requestId: 1, address: "b.example:1" }));
  expect(early.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(stage.events.map((event) => event.type)).not.toContain("path-requested");
  const { primary } = Stage.client();
  primary.say(partialBody("refused", { code: ErrorCode.NO_SESSION }));
  expect(primary.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
});

// spec: SESS-1
test("a server that asks for more members than a session can have is refused, and the session goes on", () => {
  const { stage, primary } = Stage.client();
  const { clientPaths } = stage.session;
  for (let member = 2; member < 512; member += 1) {
    const address = `s${member}.example:1`;
    expect(clientPaths?.refusalOf(address, undefined)).toBeUndefined();
    const path = stage.session.opening.openPath(0, { address, identity: undefined, priority: 128, request: undefined });
    stage.session.linkLost(0, path.id, ErrorCode.UNREACHABLE, "nobody");
    if (member % 50 === 0) stage.settle();
  }
  expect(clientPaths?.refusalOf("one.too.many:1", undefined)).toMatchObject({ code: ErrorCode.LIMIT_REACHED });
  expect(clientPaths?.refusalOf("s2.example:1", undefined)).toBeUndefined();
  expect(primary.closed).toBeUndefined();
});

// spec: CTRL-5, CTRL-8
test("control messages beyond the window end the session with that server, and only that", () => {
  const { stage, primary, second } = three();
  second.say(partialBody("goingAway", {}), 1000);
  expect(second.closed?.code).toBe(ErrorCode.LIMIT_REACHED);
  expect(stage.session.state.peerOf(2).isLost).toBe(true);
  expect(primary.closed).toBeUndefined();
  primary.say(partialBody("goingAway", {}), 1000);
  expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.LIMIT_REACHED });
});

// spec: CLOSE-1
test("a second server cannot end the session while the primary is only out of reach for a moment", () => {
  const { stage, second } = three();
  stage.session.linkLost(0, 0, ErrorCode.LINK_LOST, "gone");
  second.say(partialBody("sessionClose", { code: 5, application: true }));
  expect(stage.session.state.hasEnded).toBe(false);
  expect(stage.session.state.peerOf(2).isLost).toBe(true);
});

// spec: CLOSE-1
test("nothing that a server says after it left the session has an effect", () => {
  const { stage, primary, second } = three();
  const streamId = BigInt(streamIdOf(2, "server", "unidirectional", 0));
  second.say(partialBody("sessionClose", { code: 0 }));
  second.say(partialBody("streamAnnounce", { streamId, priority: 1, homeMember: 2 }));
  expect(stage.session.pollIncomingStream()).toBeUndefined();
  expect(primary.closed).toBeUndefined();
});

// spec: STREAM-4
test("a reset of a stream ends the content that was to fill it", () => {
  const { stage, primary } = Stage.client();
  const streamId = streamIdOf(1, "server", "unidirectional", 0);
  const offer = { streamId: BigInt(streamId), offerId: 4, contentId: "film", version: "1", contentLength: 1_000_000n, length: 1_000_000n };
  primary.say(partialBody("contentOffer", { ...offer, blockBytes: 64 * KiB }));
  expect(stage.session.content.hasFetches).toBe(true);
  primary.packet((encoder) => encoder.resetStream(streamId, 3, 0));
  expect(stage.session.content.hasFetches).toBe(false);
  expect(primary.messages("contentDone")).toEqual([expect.objectContaining({ offerId: 4, code: ErrorCode.STREAM_STATE })]);
});

// spec: CONTENT-20
test("the home hears with which code the reader of a content stopped, whatever has become of the stream there", () => {
  const { stage, primary } = Stage.client();
  const streamId = streamIdOf(1, "server", "unidirectional", 0);
  const offer = { streamId: BigInt(streamId), offerId: 4, contentId: "film", version: "1", contentLength: 1_000_000n, length: 1_000_000n };
  primary.say(partialBody("contentOffer", { ...offer, blockBytes: 64 * KiB }));
  const entry = stage.session.pollIncomingStream();
  expect(entry).toBeDefined();
  stage.session.stopReading(entry as NonNullable<typeof entry>, 79);
  primary.say(partialBody("contentOffer", { ...offer, offerId: 5, blockBytes: 64 * KiB }));
  const done = { code: ErrorCode.STREAM_STATE, stopped: true, stopCode: 79n };
  expect(primary.messages("contentDone")).toEqual([
    expect.objectContaining({ offerId: 4, ...done }),
    expect.objectContaining({ offerId: 5, ...done }),
  ]);
});

// spec: CONTENT-7
test("contents under way may have so many blocks together, and no more", () => {
  const { primary } = Stage.client();
  const length = 2n ** 34n;
  for (let index = 0; index < 8; index += 1) {
    const streamId = BigInt(streamIdOf(1, "server", "unidirectional", index));
    const offer = { streamId, offerId: index, contentId: "film", version: "1", contentLength: length, length, blockBytes: 16 * KiB };
    primary.say(partialBody("contentOffer", offer));
  }
  expect(primary.closed?.code).toBe(ErrorCode.LIMIT_REACHED);
});

// spec: CLOSE-3
test("a path that a server wants removed while it is being made does not come to be", () => {
  const { stage, primary } = Stage.client();
  const plan = { address: "b.example:1", identity: "sha256:b", priority: 128, request: { member: 1, requestId: 1 } };
  const path = stage.session.opening.openPath(0, plan);
  stage.session.clientPaths?.vouched(path, 1);
  primary.say(partialBody("removePath", { requestId: 2, pathId: 1, graceMs: 1000 }));
  expect(stage.session.state.paths.byId(1)?.state).toBe("closed");
  expect(primary.messages("addPathResult")).toHaveLength(1);
  expect(primary.messages("removePathResult")).toEqual([expect.objectContaining({ requestId: 2, code: 0 })]);
});

// spec: CLOSE-3
test("the answer to removePath comes when the path is closed", () => {
  const { stage, primary, second } = three();
  const entry = stage.session.openStream(2, "unidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(1000));
  stage.settle();
  primary.say(partialBody("removePath", { requestId: 2, pathId: 1, graceMs: 60_000 }));
  expect(primary.messages("removePathResult")).toEqual([]);
  second.acknowledge();
  second.packet((encoder) => encoder.pathClose(1, ErrorCode.PATH_REMOVED, ""));
  stage.pass(200);
  expect(stage.session.state.paths.byId(1)?.state).toBe("closed");
  expect(primary.messages("removePathResult")).toEqual([expect.objectContaining({ requestId: 2, code: 0 })]);
});

// spec: RAW-2
test("raw messages to a server that never answers take nothing from those to another", () => {
  const { stage, primary, second } = (() => {
    const { stage, primary } = Stage.client({ maxRawOutstanding: 4 });
    return { stage, primary, second: stage.dialVouched("b.example:1", "sha256:b") };
  })();
  const third = stage.dialVouched("c.example:1", "sha256:c");
  for (let requestId = 1; requestId <= 4; requestId += 1)
    primary.say(partialBody("rawMessage", { requestId, targetPathId: 1, data: new Uint8Array(1) }));
  primary.say(partialBody("rawMessage", { requestId: 5, targetPathId: 1, data: new Uint8Array(1) }));
  expect(primary.messages("rawReply")).toEqual([expect.objectContaining({ requestId: 5, code: ErrorCode.LIMIT_REACHED })]);
  primary.say(partialBody("rawMessage", { requestId: 6, targetPathId: 2, data: new Uint8Array(1) }));
  expect(third.frames("raw")).toHaveLength(1);
  expect(second.frames("raw")).toHaveLength(4);
  expect(primary.messages("rawReply")).toHaveLength(1);
});

// spec: PATH-11
test("raw messages stay within what may be in flight on a path", () => {
  const { stage, primary, second } = three();
  for (let requestId = 1; requestId <= 40; requestId += 1) {
    primary.say(partialBody("rawMessage", { requestId, targetPathId: 1, data: new Uint8Array(100 * KiB) }), undefined);
  }
  const path = stage.session.state.paths.byId(1);
  expect(path?.inFlightBytes).toBeLessThanOrEqual((path?.inFlightLimitBytes ?? 0) + 110 * KiB);
  for (let round = 0; round < 100 && second.frames("raw").length < 40; round += 1) second.acknowledge();
  expect(second.frames("raw")).toHaveLength(40);
});

// spec: STREAM-7
test("a contributor to a stream that is over, or closed to it, is told to stop, and its path stays", () => {
  const { stage, primary, second } = three();
  const id = streamIdOf(1, "server", "unidirectional", 0);
  primary.packet((encoder) => encoder.stream(id, 0, Uint8Array.of(1), false));
  second.packet((encoder) => encoder.streamDataBlocked(id, 10));
  expect(second.frames("maxStreamData")).toHaveLength(1);
  primary.packet((encoder) => encoder.resetStream(id, 3, 1));
  expect(second.frames("stopSending")).toEqual([["stopSending", id, expect.anything()]]);
  second.packet((encoder) => encoder.streamDataBlocked(id, 20));
  expect(second.frames("stopSending")).toHaveLength(2);
  const closed = streamIdOf(1, "server", "unidirectional", 1);
  primary.say(partialBody("streamAnnounce", { streamId: BigInt(closed), priority: 128, contributions: false, homeMember: 1 }));
  second.packet((encoder) => encoder.streamDataBlocked(closed, 0));
  expect(second.frames("stopSending")).toHaveLength(3);
  expect(second.closed).toBeUndefined();
  expect(stage.session.state.peerOf(2).isLost).toBe(false);
});

// spec: CREDIT-4
test("a contributor that asks again and again for credit is answered once in a packet", () => {
  const { stage, primary, second } = three();
  const id = streamIdOf(1, "server", "unidirectional", 0);
  primary.packet((encoder) => encoder.stream(id, 0, Uint8Array.of(1), false));
  const before = second.frames("maxStreamData").length;
  second.packet((encoder) => {
    for (let count = 0; count < 1000; count += 1) encoder.streamDataBlocked(id, count);
  });
  expect(second.frames("maxStreamData").length - before).toBe(1);
  expect(stage.session.state.peerOf(2).frames.isEmpty).toBe(true);
});

// spec: PATH-5, PATH-7
test("what a suspect path owes goes out when another path to the same server recovers", () => {
  const { stage, primary } = Stage.client();
  const way = stage.dial("a.example:1");
  way.reply(1, { resumed: true });
  stage.pass(20);
  primary.acknowledge();
  way.acknowledge();
  const state = (peer: typeof primary) => stage.session.state.paths.byId(peer.pathId)?.state;
  for (let step = 0; step < 100 && state(way) !== "degraded"; step += 1) {
    stage.pass(50);
    primary.acknowledge();
  }
  const entry = stage.session.openStream(1, "unidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(50 * KiB));
  stage.settle();
  expect([primary.frames("streamData").length > 0, way.frames("streamData")]).toEqual([true, []]);
  stage.pass(300);
  expect([state(primary), state(way)]).toEqual(["degraded", "degraded"]);
  expect(way.frames("streamData")).toEqual([]);
  way.acknowledge();
  stage.settle();
  expect(way.frames("streamData").length).toBeGreaterThan(0);
});

// spec: PATH-1
test("paths that ended long ago are forgotten, and late acknowledgements of theirs do no harm", () => {
  const { stage, primary } = Stage.client();
  for (let count = 0; count < 3000; count += 1) {
    const path = stage.session.opening.openPath(0, { address: "b.example:1", identity: "sha256:b", priority: 128, request: undefined });
    stage.session.linkLost(0, path.id, ErrorCode.UNREACHABLE, "nobody");
    if (count % 100 === 0) primary.say(partialBody("goingAway", {}), undefined, count);
    stage.settle();
  }
  expect(stage.session.state.paths.all().length).toBeLessThan(1200);
  primary.packet((encoder) => encoder.ack({ pathId: 1, largest: 0, delayMicros: 0, ranges: [0, 0] }));
});

// spec: CONTENT-14
test("many contents together hold what one may, and four blocks each", () => {
  const { stage, primary } = Stage.client({ maxContentWindowBytes: 1024 * KiB });
  const blockBytes = 16 * KiB;
  const contents = 50;
  const length = BigInt(64 * 1024 * KiB);
  for (let sequence = 0; sequence < contents; sequence += 1) {
    const streamId = BigInt(streamIdOf(1, "server", "unidirectional", sequence));
    primary.say(
      partialBody("contentOffer", {
        streamId,
        offerId: sequence,
        contentId: "film",
        version: "1",
        contentLength: length,
        length,
        blockBytes,
      }),
    );
  }
  answerAll(stage, primary);
  expect(stage.session.content.bufferedBytes).toBeGreaterThan(contents * blockBytes);
  expect(stage.session.content.bufferedBytes).toBeLessThanOrEqual(1024 * KiB + contents * 4 * blockBytes);
});

// spec: CONTENT-14
test("parts of one stream together hold what one may, however many there are", () => {
  const { stage, primary } = Stage.client({ maxContentWindowBytes: 1024 * KiB });
  const streamId = BigInt(streamIdOf(1, "server", "unidirectional", 0));
  const length = BigInt(512 * KiB);
  for (let part = 0; part < 50; part += 1) {
    const streamOffset = BigInt(part) * length;
    primary.say(
      partialBody("contentOffer", {
        streamId,
        offerId: part,
        streamOffset,
        contentId: `${part}`,
        version: "1",
        contentLength: length,
        length,
        blockBytes: 16 * KiB,
      }),
    );
  }
  answerAll(stage, primary);
  expect(stage.session.content.bufferedBytes).toBeLessThanOrEqual(1024 * KiB);
});

/** Answers every range that is asked for, for as long as more are. Nobody verifies anything, so all of it is held. */
function answerAll(stage: Stage, peer: PlayedPeer): void {
  for (let answered = 0, more = true; more; ) {
    const asked = peer.messages("rangeRequest") as { requestId: number; offset: bigint; length: bigint }[];
    more = asked.length > answered;
    for (const { requestId, offset, length } of asked.slice(answered)) {
      for (let at = 0; at < Number(length); at += 16 * KiB)
        peer.packet((encoder) => encoder.rangeData(requestId, Number(offset) + at, new Uint8Array(16 * KiB)));
    }
    answered = asked.length;
    stage.pass(20);
  }
}

// spec: CONTENT-22
test("a content in each stream is taken, and 256 further ones", () => {
  const { primary } = Stage.client();
  const offer = (offerId: number, sequence: number): void => {
    const streamId = BigInt(streamIdOf(1, "server", "unidirectional", sequence));
    const part = {
      streamOffset: BigInt(offerId * 100),
      contentId: "film",
      version: "1",
      contentLength: 100n,
      length: 100n,
      blockBytes: 64 * 1024,
    };
    primary.say(partialBody("contentOffer", { streamId, offerId, ...part }));
  };
  for (let offerId = 0; offerId < 500; offerId += 1) offer(offerId, offerId);
  for (let offerId = 500; offerId < 756; offerId += 1) offer(offerId, offerId % 500);
  expect(primary.closed).toBeUndefined();
  offer(756, 500);
  expect(primary.closed).toBeUndefined();
  offer(757, 1);
  expect(primary.closed?.code).toBe(ErrorCode.LIMIT_REACHED);
});
