import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { streamIdOf } from "../base/ids.ts";
import { partialBody } from "../control/partial-body.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import { CREDIT, type PlayedPeer, Stage } from "./played-peer.fixture.ts";
import type { StreamEntry } from "./stream-entry.ts";

const KiB = 1024;

function opened(stage: Stage, member: number, priority?: number): StreamEntry {
  const entry = stage.session.openStream(member, "bidirectional", priority);
  if (entry === undefined) throw new Error("no stream");
  return entry;
}

/** A client with a primary, a server that it vouches for (member 2) and one that nobody vouches for (member 3). */
function trio(): { stage: Stage; primary: PlayedPeer; vouched: PlayedPeer; direct: PlayedPeer } {
  const { stage, primary } = Stage.client();
  const vouched = stage.dialVouched("b.example:1", "sha256:b");
  const direct = stage.dial("c.example:1", "sha256:c");
  direct.reply(3);
  return { stage, primary, vouched, direct };
}

// spec: STREAM-1, STREAM-2
test("the home is the server that a client chose, or the one that opened the stream, and only it is told of it", () => {
  const { stage, primary, vouched } = trio();
  for (const [member, id] of [
    [1, 4],
    [2, 8],
    [2, 2048 + 8],
  ] as const) {
    const entry = opened(stage, member);
    expect(entry.id).toBe(id);
    stage.session.write(entry, Uint8Array.of(member));
  }
  stage.settle();
  const ids = (peer: PlayedPeer) => peer.frames("streamData").map((call) => call[1]);
  expect([ids(primary), ids(vouched)]).toEqual([[4], [8, 2048 + 8]]);
  const { stage: server } = Stage.server();
  expect([opened(server, 0).id, server.session.openStream(0, "unidirectional")?.id]).toEqual([6, 7]);
});

// spec: STREAM-3
test("a first frame brings all lower streams of its kind into being, an announcement too", () => {
  const { stage, client } = Stage.server();
  client.packet((encoder) => encoder.stream(streamIdOf(1, "client", "bidirectional", 2), 0, Uint8Array.of(1), false));
  client.say(partialBody("streamAnnounce", { streamId: BigInt(streamIdOf(1, "client", "unidirectional", 1)), priority: 3, homeMember: 1 }));
  const ids: number[] = [];
  for (let entry = stage.session.pollIncomingStream(); entry !== undefined; entry = stage.session.pollIncomingStream()) ids.push(entry.id);
  expect(ids).toEqual([4, 2052, 4100, 5, 2053]);
});

// spec: STREAM-9
test("a priority is announced with the stream, told again when it changes, and obeyed by the other side", () => {
  const { stage, primary } = Stage.client();
  opened(stage, 1);
  const entry = opened(stage, 1, 200);
  stage.session.setPriority(entry, 7);
  stage.settle();
  expect(primary.messages("streamAnnounce")).toEqual([expect.objectContaining({ streamId: BigInt(entry.id), priority: 200 })]);
  expect(primary.frames("priority")).toEqual([["priority", entry.id, 7]]);

  const { stage: server, client } = Stage.server();
  client.packet((encoder) => encoder.stream(4, 0, Uint8Array.of(1), false));
  const incoming = server.session.pollIncomingStream();
  expect(incoming?.sender?.priority).toBe(128);
  client.packet((encoder) => encoder.priority(4, 9));
  expect(incoming?.sender?.priority).toBe(9);
});

// spec: STREAM-6
test("whoever is not the home has no say in a stream: only its own path ends, and the stream goes on", () => {
  const attempts: ((encoder: PacketEncoder) => void)[] = [
    (encoder) => encoder.stream(4, 0, Uint8Array.of(1), true),
    (encoder) => encoder.resetStream(4, 0, 0),
    (encoder) => encoder.stopSending(4, 0),
    (encoder) => encoder.maxStreamData(4, 1_000_000_000),
    (encoder) => encoder.priority(4, 1),
  ];
  for (const attempt of attempts) {
    const { stage, primary, vouched } = trio();
    const entry = opened(stage, 1);
    stage.session.write(entry, Uint8Array.of(1));
    stage.settle();
    vouched.packet(attempt);
    expect([vouched.closed?.code, primary.closed]).toEqual([ErrorCode.PROTOCOL_VIOLATION, undefined]);
    primary.packet((encoder) => encoder.stream(4, 0, Uint8Array.of(9), true));
    expect(stage.session.read(0, entry)).toEqual(Uint8Array.of(9));
    expect(entry.receive?.isFinished).toBe(true);
  }
});

// spec: STREAM-7, PATH-9
test("a server that the home vouches for may contribute, one that nobody vouches for may not", () => {
  const { stage, primary, vouched, direct } = trio();
  const entry = opened(stage, 1);
  stage.settle();
  vouched.packet((encoder) => encoder.streamDataBlocked(4, 0));
  expect(vouched.frames("maxStreamData")).toEqual([["maxStreamData", 4, 256 * KiB]]);
  vouched.packet((encoder) => encoder.stream(4, 1, Uint8Array.of(2), false));
  direct.packet((encoder) => encoder.stream(4, 0, Uint8Array.of(1), false));
  expect([vouched.closed, direct.closed?.code]).toEqual([undefined, ErrorCode.PROTOCOL_VIOLATION]);
  expect(entry.receive?.readableBytes).toBe(0);
  primary.packet((encoder) => encoder.stream(4, 0, Uint8Array.of(1), false));
  expect(entry.receive?.readableBytes).toBe(2);
});

// spec: STREAM-7
test("a stream that its home has closed to contributions takes none", () => {
  const { stage, primary, vouched } = trio();
  primary.say(partialBody("streamAnnounce", { streamId: 6n, priority: 128, contributions: false, homeMember: 1 }));
  const entry = stage.session.pollIncomingStream();
  vouched.packet((encoder) => encoder.streamDataBlocked(6, 0));
  vouched.packet((encoder) => encoder.stream(6, 0, Uint8Array.of(1), false));
  expect([vouched.frames("maxStreamData"), entry?.receive?.readableBytes]).toEqual([[], 0]);
  primary.packet((encoder) => encoder.stream(6, 0, Uint8Array.of(2), true));
  expect(entry && stage.session.read(0, entry)).toEqual(Uint8Array.of(2));
});

// spec: CREDIT-1
test("bytes beyond the session's credit are FLOW_CONTROL and close the path", () => {
  const { stage, primary } = Stage.client();
  const given = stage.session.state.peerOf(1).receiveWindow.limit;
  const perStream = 256 * KiB;
  let sequence = 0;
  for (let left = given; left > 0; left -= perStream) {
    const id = streamIdOf(1, "server", "unidirectional", sequence++);
    for (let at = 0; at < perStream; at += 64 * KiB) primary.packet((encoder) => encoder.stream(id, at, new Uint8Array(64 * KiB), false));
  }
  expect(primary.closed).toBeUndefined();
  primary.packet((encoder) => encoder.stream(streamIdOf(1, "server", "unidirectional", sequence), 0, new Uint8Array(1), false));
  expect(primary.closed?.code).toBe(ErrorCode.FLOW_CONTROL);
});

// spec: CREDIT-1
test("a client spends the session's credit over all streams and waits for more", () => {
  const { stage, primary } = Stage.client({ maxInFlightBytes: 50_000_000, initialInFlightBytes: 50_000_000 });
  for (let count = 0; count < 6; count += 1) stage.session.write(opened(stage, 1), new Uint8Array(900_000));
  stage.settle();
  const sent = () => primary.frames("streamData").reduce((sum, call) => sum + (call[3] as Uint8Array).length, 0);
  expect(sent()).toBe(Number(CREDIT.sessionWindowBytes));
  expect(primary.frames("dataBlocked")).toEqual([["dataBlocked", Number(CREDIT.sessionWindowBytes)]]);
  primary.packet((encoder) => encoder.maxData(5_000_000));
  expect(sent()).toBe(5_000_000);
});

// spec: WIRE-12
test("a limit that is lower than one before is ignored", () => {
  const { stage, primary } = Stage.client();
  const entry = opened(stage, 1);
  primary.packet((encoder) => {
    encoder.maxData(10);
    encoder.maxStreamData(entry.id, 10);
    encoder.maxStreams("bidirectional", 1);
    encoder.maxStreams("unidirectional", 0);
  });
  const peer = stage.session.state.peerOf(1);
  expect([peer.sendCredit.limit, entry.sender?.stream.maxOffset]).toEqual([4_000_000, 1_000_000]);
  expect([peer.outgoing.bidirectional.limit, peer.outgoing.unidirectional.limit]).toEqual([200, 200]);
  expect(primary.closed).toBeUndefined();
});

// spec: STREAM-4
test("a stream ends by its size or by a reset with code and size, and the reader may ask for the reset", () => {
  const { stage, primary } = Stage.client();
  const [ended, broken, unwanted] = [opened(stage, 1), opened(stage, 1), opened(stage, 1)];
  for (const entry of [ended, broken, unwanted]) stage.session.write(entry, new Uint8Array(100));
  stage.session.finish(ended);
  stage.settle();
  stage.session.reset(broken, 42);
  primary.packet((encoder) => encoder.stopSending(unwanted.id, 7));
  expect(primary.frames("streamData").map((call) => [call[1], call[4]])).toEqual([
    [ended.id, true],
    [broken.id, false],
    [unwanted.id, false],
  ]);
  expect(primary.frames("resetStream")).toEqual([
    ["resetStream", broken.id, 42, 100],
    ["resetStream", unwanted.id, 7, 100],
  ]);
});

// spec: STREAM-10
test("frames for a stream that is over are ignored, those for one that cannot be are refused", () => {
  const { stage, client } = Stage.server();
  client.packet((encoder) => encoder.stream(5, 0, new Uint8Array(0), true));
  const entry = stage.session.pollIncomingStream();
  expect(entry && stage.session.read(0, entry)).toBeUndefined();
  expect(stage.session.state.streams.get(5)).toBeUndefined();
  client.packet((encoder) => {
    encoder.stream(5, 0, new Uint8Array(10), false);
    encoder.resetStream(5, 1, 0);
    encoder.maxStreamData(5, 10);
  });
  expect(client.closed).toBeUndefined();
  const wrong: [(encoder: PacketEncoder) => void, number][] = [
    [(encoder) => encoder.stream(streamIdOf(1, "client", "bidirectional", 1000), 0, new Uint8Array(0), false), ErrorCode.STREAM_LIMIT],
    [(encoder) => encoder.stream(streamIdOf(1, "server", "unidirectional", 0), 0, Uint8Array.of(1), false), ErrorCode.STREAM_STATE],
    [(encoder) => encoder.resetStream(streamIdOf(1, "server", "unidirectional", 0), 1, 0), ErrorCode.STREAM_STATE],
    [(encoder) => encoder.maxStreamData(streamIdOf(1, "server", "unidirectional", 1), 1), ErrorCode.STREAM_STATE],
    [(encoder) => encoder.stopSending(streamIdOf(1, "client", "unidirectional", 0), 1), ErrorCode.STREAM_STATE],
    [(encoder) => encoder.maxStreamData(streamIdOf(1, "client", "unidirectional", 0), 1), ErrorCode.STREAM_STATE],
  ];
  for (const [frame, code] of wrong) {
    const { stage: fresh, client: peer } = Stage.server();
    fresh.session.openStream(0, "unidirectional");
    peer.packet(frame);
    expect(peer.closed?.code).toBe(code);
  }
});

// spec: STREAM-10
test("streams that ended make room for others, told as the number that may ever be opened", () => {
  const { stage, client } = Stage.server({ maxStreams: 100 });
  for (let sequence = 0; sequence < 100; sequence += 1) {
    client.packet((encoder) => encoder.stream(streamIdOf(1, "client", "unidirectional", sequence), 0, new Uint8Array(0), true));
  }
  for (let entry = stage.session.pollIncomingStream(); entry !== undefined; entry = stage.session.pollIncomingStream())
    stage.session.read(0, entry);
  stage.settle();
  const limits = client.frames("maxStreams").map((call) => [call[1], call[2]]);
  expect(limits.at(-1)?.[0]).toBe("unidirectional");
  expect(limits.at(-1)?.[1]).toBeGreaterThan(100);
  expect(limits.at(-1)?.[1]).toBeLessThanOrEqual(200);
});

// spec: STREAM-11
test("being told that the other side is blocked asks for nothing", () => {
  const { client } = Stage.server();
  const before = client.told.length;
  client.packet((encoder) => {
    encoder.dataBlocked(1);
    encoder.streamDataBlocked(4, 1);
    encoder.streamsBlocked("bidirectional", 1);
    encoder.streamsBlocked("unidirectional", 1);
  });
  expect(client.told.slice(before).filter((call) => call[0] !== "ack")).toEqual([]);
  expect(client.closed).toBeUndefined();
});

// spec: DGRAM-1
test("a datagram is sent once, to the primary or while that is out of reach to another server, and not again when its path dies", () => {
  const { stage, primary, vouched } = trio();
  expect(stage.session.sendDatagram(0, Uint8Array.of(1))).toBe(true);
  stage.settle();
  stage.session.linkLost(0, 0, ErrorCode.LINK_LOST, "gone");
  expect(stage.session.sendDatagram(0, Uint8Array.of(2))).toBe(true);
  stage.settle();
  const again = stage.dial("a.example:1");
  again.reply(1, { resumed: true });
  expect([primary, vouched, again].map((peer) => peer.frames("datagram").map((call) => call.slice(1)))).toEqual([
    [[0, Uint8Array.of(1)]],
    [[0, Uint8Array.of(2)]],
    [],
  ]);
});

// spec: DGRAM-1, DGRAM-2, DGRAM-4
test("a datagram goes on the named path, or on all to the primary under one number; in the link's own where it fits", () => {
  const { stage, primary, vouched } = trio();
  const second = stage.dial("a.example:1");
  second.reply(1, { resumed: true });
  const told = () => [primary, second, vouched].map((peer) => [peer.frames("datagram").map((call) => call.slice(1)), peer.linkDatagrams]);
  expect(stage.session.sendDatagram(0, Uint8Array.of(1), "all")).toBe(true);
  expect(stage.session.sendDatagram(0, Uint8Array.of(2), second.pathId)).toBe(true);
  expect(stage.session.sendDatagram(0, Uint8Array.of(3), vouched.pathId)).toBe(true);
  expect(stage.session.sendDatagram(0, Uint8Array.of(4), 99)).toBe(false);
  stage.settle();
  expect(told()).toEqual([
    [[[0, Uint8Array.of(1)]], []],
    [
      [
        [0, Uint8Array.of(1)],
        [1, Uint8Array.of(2)],
      ],
      [],
    ],
    [[[0, Uint8Array.of(3)]], []],
  ]);
  stage.session.setLinkDatagramBytes(primary.pathId, 4);
  for (const length of [3, 4]) stage.session.sendDatagram(0, new Uint8Array(length).fill(7), primary.pathId);
  stage.settle();
  expect(primary.linkDatagrams).toEqual([Uint8Array.of(2, 7, 7, 7)]);
  expect(primary.frames("datagram").map((call) => call.slice(1))).toEqual([
    [0, Uint8Array.of(1)],
    [3, Uint8Array.of(7, 7, 7, 7)],
  ]);
});

// spec: DGRAM-4
test("a datagram that fits its link waits for no room and behind no larger one", () => {
  const { stage, primary } = trio();
  stage.session.setLinkDatagramBytes(primary.pathId, 100);
  const entry = opened(stage, 1);
  stage.session.write(entry, new Uint8Array(2_000_000));
  stage.session.finish(entry);
  stage.settle();
  for (const length of [16_000, 16_000, 16_000, 1]) stage.session.sendDatagram(0, new Uint8Array(length));
  stage.settle();
  expect(primary.frames("datagram").length).toBeLessThan(3);
  expect(primary.linkDatagrams.map((data) => data.length)).toEqual([2]);
});

test("no datagram is taken for a path that is being removed, or for a peer that has no other", () => {
  const { stage, primary } = Stage.client();
  const second = stage.dial("a.example:1");
  second.reply(1, { resumed: true });
  const drain = (peer: PlayedPeer) => {
    const path = stage.session.state.paths.byId(peer.pathId);
    if (path !== undefined) stage.session.lifecycle.drain(path, 1_000);
  };
  drain(second);
  expect(stage.session.sendDatagram(0, Uint8Array.of(1), second.pathId)).toBe(false);
  expect(stage.session.sendDatagram(0, Uint8Array.of(2))).toBe(true);
  drain(primary);
  expect(stage.session.sendDatagram(0, Uint8Array.of(3))).toBe(false);
});

// spec: DGRAM-2, DGRAM-3, DGRAM-4
test("the first copy of a datagram counts, whichever way it came; a frame that is too large closes the path", () => {
  const { stage, client } = Stage.server({ maxDatagramBytes: 100 });
  client.packet((encoder) => encoder.datagram(300, Uint8Array.of(1)));
  for (const bytes of [[0x41, 0x2c, 1], [2, 2], [2, 3], [0x41], [], [0x03, ...new Array<number>(101).fill(0)]])
    stage.session.handleDatagram(0, 0, Uint8Array.from(bytes));
  client.packet((encoder) => encoder.datagram(2, Uint8Array.of(4)));
  client.packet((encoder) => encoder.datagram(3, Uint8Array.of(5)));
  stage.settle();
  expect(stage.events.flatMap((event) => (event.type === "datagram" ? [...event.data] : []))).toEqual([1, 2, 5]);
  expect(stage.session.sendDatagram(0, new Uint8Array(101))).toBe(false);
  client.packet((encoder) => encoder.datagram(4, new Uint8Array(101)));
  expect(client.closed?.code).toBe(ErrorCode.TOO_LARGE);
});

// spec: CREDIT-4
test("what a contribution that was given up has sent goes out again if it was lost: the client gives credit back for what it gets", () => {
  const { stage, client } = Stage.server();
  const contributions = stage.session.server?.contributions;
  const id = streamIdOf(2, "server", "unidirectional", 0);
  const sender = contributions?.open(id, 0);
  if (contributions === undefined || sender === undefined || "code" in sender) throw new Error("no contribution");
  stage.settle();
  client.packet((encoder) => encoder.maxStreamData(id, 1000));
  sender.stream.write(new Uint8Array(100));
  sender.peer.enqueue(sender);
  stage.settle();
  expect(client.frames("streamData")).toHaveLength(1);
  stage.session.linkLost(stage.now, 0, ErrorCode.LINK_LOST, "cut");
  sender.stream.reset(0);
  contributions.close(sender);
  const again = stage.accept(1);
  expect(again.frames("streamData").map((call) => [call[1], call[2]])).toEqual([[id, 0]]);
});

// spec: STREAM-7
test("whoever waits to contribute to a stream that its home never opened hears of it when the home is lost", () => {
  const { stage, vouched } = trio();
  const [first, second] = [0, 1].map((sequence) => streamIdOf(1, "server", "unidirectional", sequence)) as [number, number];
  vouched.packet((encoder) => {
    encoder.streamDataBlocked(first, 0);
    encoder.streamDataBlocked(second, 0);
  });
  expect(vouched.frames("stopSending")).toEqual([]);
  stage.session.linkLost(stage.now, 0, ErrorCode.LINK_LOST, "cut");
  for (let seconds = 0; seconds < 40 && !stage.session.state.peerOf(1).isLost; seconds += 1) {
    vouched.acknowledge();
    stage.pass(1000);
  }
  expect(stage.session.state.peerOf(1).isLost).toBe(true);
  expect(new Set(vouched.frames("stopSending").map((call) => call[1]))).toEqual(new Set([first, second]));
});
