import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { streamIdOf } from "../base/ids.ts";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { envelopeOf } from "../control/control-body.ts";
import { partialBody } from "../control/partial-body.ts";
import { encodeEnvelope } from "../control/control-codec.ts";
import { EVERY_MESSAGE } from "../control/every-message.ts";
import { CarrierKind, encodePreamble } from "../wire/preamble.ts";
import { PathAcceptor } from "./path-acceptor.ts";
import { CREDIT, Stage } from "./played-peer.fixture.ts";

const KiB = 1024;

// spec: CREDIT-1
test("streams that are opened and reset before anybody accepted them count on the limit until then", () => {
  const { stage, client } = Stage.server({ maxStreams: 100 });
  const { session } = stage;
  for (let sequence = 0; sequence < 100; sequence += 1) {
    client.packet((encoder) => encoder.resetStream(streamIdOf(1, "client", "unidirectional", sequence), 0, 0));
  }
  const waiting = [];
  for (let entry = session.pollIncomingStream(false); entry !== undefined; entry = session.pollIncomingStream(false)) waiting.push(entry);
  stage.settle();
  expect(waiting).toHaveLength(100);
  expect(client.frames("maxStreams")).toEqual([]);
  for (const entry of waiting) session.takeStream(entry);
  stage.settle();
  expect(client.frames("maxStreams").at(-1)?.[2]).toBeGreaterThan(100);
});

// spec: CONTENT-21
test("a stream with a content that its client is not done with counts on the limit, however over it is", () => {
  const { stage, client } = Stage.server({ maxStreams: 100 });
  const { session } = stage;
  const offers: number[] = [];
  for (let sequence = 0; sequence < 100; sequence += 1) {
    const id = streamIdOf(1, "client", "bidirectional", sequence);
    client.packet((encoder) => encoder.stream(id, 0, Uint8Array.of(1), true));
    const entry = session.pollIncomingStream();
    if (entry === undefined) throw new Error("no stream");
    session.read(stage.now, entry);
    session.skip(entry, 100);
    const content = {
      contentId: "film",
      version: "1",
      contentLength: 100n,
      contentOffset: 0n,
      length: 100n,
      blockBytes: 262_144,
      end: true,
    };
    offers.push(session.server?.content.offer({ streamId: BigInt(id), streamOffset: 0n, ...content }) ?? 0);
    session.finish(entry);
    stage.settle();
    client.acknowledge();
  }
  expect([session.state.streams.size, client.messages("contentOffer").length]).toEqual([0, 100]);
  expect(client.frames("maxStreams")).toEqual([]);
  for (const offerId of offers.slice(0, 50)) client.say(partialBody("contentDone", { offerId }));
  // Told an eighth at a time.
  expect(client.frames("maxStreams").at(-1)?.[2]).toBe(140);
  // Once for each.
  for (const offerId of offers.slice(0, 50)) client.say(partialBody("contentDone", { offerId }));
  expect(client.frames("maxStreams").at(-1)?.[2]).toBe(140);
});

// spec: CTRL-9
test("a client that goes on talking on the control carrier before it was answered is refused", () => {
  const acceptor = new PathAcceptor({ limits: DEFAULT_LIMITS, checksum: undefined, requireChecksum: false });
  const hello = encodeEnvelope(
    EVERY_MESSAGE,
    envelopeOf(partialBody("clientHello", { versions: [1], credit: CREDIT, clientKey: new Uint8Array(91) })),
  );
  expect(acceptor.handleData(1, encodePreamble(CarrierKind.control))).toBeUndefined();
  expect(acceptor.handleData(1, hello)).toBeUndefined();
  expect(acceptor.pollOpening()).toMatchObject({ kind: "hello" });
  expect(acceptor.handleData(1, Uint8Array.of(0))).toMatchObject({ code: ErrorCode.PROTOCOL_VIOLATION });
});

// spec: PATH-3
test("early bytes in single pieces are held in buffers, and come out as they were", () => {
  const stage = new Stage("server", 1);
  const data = Uint8Array.from({ length: 9000 }, (_, index) => index % 251);
  const id = streamIdOf(1, "client", "unidirectional", 0);
  const peer = stage.accept(0, (encoder) => encoder.stream(id, 0, data, true));
  expect(peer.closed).toBeUndefined();
  const acceptor = new PathAcceptor({ limits: DEFAULT_LIMITS, checksum: undefined, requireChecksum: false });
  acceptor.handleData(3, encodePreamble(CarrierKind.data));
  for (let i = 0; i < 10_000; i += 1) acceptor.handleData(3, Uint8Array.of(i % 256));
  acceptor.handleData(3, new Uint8Array(5000).fill(7));
  acceptor.handleData(3, Uint8Array.of(9));
  expect(acceptor.input.heldBytes).toBe(15_001);
  const got: number[] = [];
  for (const held of acceptor.input.heldPieces(3)) got.push(...held);
  expect(acceptor.input.heldPieces(3).length).toBeLessThan(8);
  expect(got).toEqual([...Array.from({ length: 10_000 }, (_, i) => i % 256), ...new Array<number>(5000).fill(7), 9]);
});

// spec: STREAM-8
test("carriers by the thousand end the path", () => {
  const { client } = Stage.server();
  for (let count = 0; count < 2000 && client.closed === undefined; count += 1) client.open(CarrierKind.data);
  expect(client.closed?.code).toBe(ErrorCode.LIMIT_REACHED);
});

// spec: ACK-3
test("a data carrier that ends with packets under way ends its path, so that they go out again", () => {
  const { stage, client } = Stage.server();
  const entry = stage.session.openStream(0, "unidirectional");
  if (entry === undefined) throw new Error("no stream");
  const carrier = client.open(CarrierKind.data);
  stage.session.write(entry, new Uint8Array(100));
  stage.settle();
  expect(client.frames("streamData")).toHaveLength(1);
  stage.session.handleCarrierClosed(stage.now, 0, carrier);
  stage.settle();
  expect(client.closed?.code).toBe(ErrorCode.LINK_LOST);
  const again = stage.accept(1);
  expect(again.frames("streamData")).toHaveLength(1);
});

// spec: RAW-1
test("raw messages that the application does not get done are answered with LIMIT_REACHED, and a client that takes no answer loses its path", () => {
  const { stage, client } = Stage.server({ maxRawOutstanding: 4 });
  const raw = (requestId: number) => client.packet((encoder) => encoder.raw(requestId, 1, Uint8Array.of(1)));
  for (let requestId = 1; requestId <= 5; requestId += 1) raw(requestId);
  expect(stage.events.filter((event) => event.type === "raw-request")).toHaveLength(4);
  expect(client.frames("rawReply")).toEqual([["rawReply", 5, ErrorCode.LIMIT_REACHED, expect.anything()]]);
  stage.session.server?.raw.reply(1, 0, Uint8Array.of(2));
  raw(6);
  expect(stage.events.filter((event) => event.type === "raw-request")).toHaveLength(5);
  for (let requestId = 7; requestId < 200_000 && client.closed === undefined; requestId += 1) {
    raw(requestId);
    stage.session.server?.raw.reply(requestId, 0, new Uint8Array(100 * KiB));
  }
  expect(client.closed?.code).toBe(ErrorCode.LIMIT_REACHED);
});

// spec: CTRL-14
test("what a client reports of other paths is kept in bounds, however long its words are", () => {
  const { stage, client } = Stage.server();
  const long = "x".repeat(400_000);
  for (let pathId = 1; pathId <= 1100; pathId += 1) {
    client.say(partialBody("pathStatus", { pathId, memberId: 2, address: pathId > 1095 ? long : "b.example:1" }));
  }
  const rows = stage.session.server?.paths.remotePaths() ?? [];
  expect(rows.length).toBeLessThanOrEqual(1024);
  expect(rows.at(-1)?.pathId).toBe(1100);
  for (const row of rows) expect(row.address.length).toBeLessThanOrEqual(512);
});

// spec: PATH-1
test("a client has only so many paths to one server at once", () => {
  const { stage } = Stage.server({ maxPaths: 3 });
  stage.accept(1);
  stage.accept(2);
  stage.accept(3);
  expect(stage.session.state.paths.all().map((path) => path.id)).toEqual([0, 1, 2]);
  stage.session.linkLost(0, 1, ErrorCode.LINK_LOST, "gone");
  stage.accept(4);
  expect(stage.session.state.paths.usableOf(0).map((path) => path.id)).toEqual([0, 2, 4]);
});

// spec: CTRL-8
test("a client that leaves all control messages unanswered ends its own session, and memory with it", () => {
  const { stage, client } = Stage.server({ maxControlQueue: 50 });
  for (let requestId = 1; requestId <= 100; requestId += 1) stage.session.server?.paths.request(`b${requestId}.example:1`, "", 128);
  expect(stage.session.state.peerOf(0).control.unacknowledgedCount).toBeLessThanOrEqual(50);
  stage.settle();
  expect(stage.events.filter((event) => event.type === "path-request-done" && event.code === ErrorCode.LIMIT_REACHED)).toHaveLength(50);
  client.say(partialBody("contentDone", { streamId: 0n, offerId: 1 }));
  expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.LIMIT_REACHED });
});

// spec: CTRL-19
test("a client that sends control messages without end, or empty envelopes, ends its own session; a busy one does not", () => {
  for (const message of [partialBody("rangeCancel", { requestId: 1 }), partialBody("controlAck", {})]) {
    const { stage, client } = Stage.server({ maxControlMessagesPerSecond: 1_000 });
    let sent = 0;
    for (; sent < 10_000 && client.closed === undefined; sent += 1) client.say(message);
    expect(sent).toBe(2_001);
    expect(client.closed?.code).toBe(ErrorCode.LIMIT_REACHED);
    expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.LIMIT_REACHED });
  }
  const { stage, client } = Stage.server({ maxControlMessagesPerSecond: 1_000 });
  for (let sent = 0; sent < 10_000; sent += 1) {
    stage.now += 1;
    client.say(partialBody("rangeCancel", { requestId: 1 }));
  }
  expect(client.closed).toBeUndefined();
});

// spec: CREDIT-1
test("a client that overdraws its credit, and comes back to do so again, is held to one packet beyond it", () => {
  const { stage, client } = Stage.server();
  const packetBytes = 100 * KiB;
  let sequence = 0;
  let path = client;
  for (let times = 0; times < 20; times += 1) {
    for (; path.closed === undefined && sequence < 1000; sequence += 1) {
      const id = streamIdOf(1, "client", "unidirectional", sequence);
      path.packet((encoder) => encoder.stream(id, 0, new Uint8Array(packetBytes), false));
    }
    expect(path.closed?.code).toBe(ErrorCode.FLOW_CONTROL);
    path = stage.accept(times + 1);
  }
  let held = 0;
  for (const entry of stage.session.state.streams.values()) held += entry.receive?.bufferedBytes ?? 0;
  expect(held).toBeLessThanOrEqual(DEFAULT_LIMITS.initialSessionWindowBytes + packetBytes);
});
