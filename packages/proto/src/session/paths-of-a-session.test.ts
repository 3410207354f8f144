import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { partialBody } from "../control/partial-body.ts";
import { PacketEncoder } from "../wire/packet-encoder.ts";
import { CarrierKind } from "../wire/preamble.ts";
import { type PlayedPeer, Stage } from "./played-peer.fixture.ts";

/** A client with two paths to its primary. */
function twoPaths(): { stage: Stage; first: PlayedPeer; second: PlayedPeer } {
  const { stage, primary } = Stage.client();
  const second = stage.dial("a.example:1");
  second.reply(1, { resumed: true });
  return { stage, first: primary, second };
}

function acknowledged(peer: PlayedPeer): unknown[] {
  return peer.frames("ack").map((call) => call[1]);
}

// spec: ACK-1
test("a packet is acknowledged when its last byte was processed, not before", () => {
  const { stage, client } = Stage.server();
  const carrier = client.open(CarrierKind.data);
  const encoder = new PacketEncoder();
  encoder.begin(0);
  encoder.stream(4, 0, new Uint8Array(100), false);
  const whole = encoder.finish().flatMap((part) => [...part]);
  client.bytes(carrier, Uint8Array.from(whole.slice(0, -1)));
  stage.pass(500);
  expect(stage.session.state.streams.get(4)?.receive?.readableBytes).toBe(99);
  expect(acknowledged(client)).toEqual([]);
  client.bytes(carrier, Uint8Array.from(whole.slice(-1)));
  stage.pass(5);
  expect(acknowledged(client)).toEqual([expect.objectContaining({ pathId: 0, largest: 0, ranges: [0, 0] })]);
});

// spec: ACK-1
test("an acknowledgement counts for the path that it names, on whichever path of the member it comes, and of no other member", () => {
  const { stage, first, second } = twoPaths();
  first.packet((encoder) => encoder.probe());
  stage.settle();
  const entry = stage.session.openStream(1, "bidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(5000));
  stage.session.finish(entry);
  stage.settle();
  const carrying = first.frames("streamData").length > 0 ? first : second;
  carrying.acknowledge(carrying === first ? second : first);
  expect(entry.sender?.stream.state).toBe("finished");

  const stranger = stage.dial("b.example:1", "sha256:b");
  stranger.reply(2);
  stranger.packet((encoder) => encoder.ack({ pathId: 0, largest: 0, delayMicros: 0, ranges: [0, 0] }));
  expect(stranger.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
});

// spec: ACK-2
test("a probe is acknowledged at once", () => {
  const { client } = Stage.server();
  client.packet((encoder) => encoder.probe());
  expect(acknowledged(client)).toHaveLength(1);
});

// spec: ACK-3, PATH-7
test("a packet that an acknowledgement leaves out is not sent again while its path lives, and is when that dies", () => {
  const { stage, primary } = Stage.client();
  const entry = stage.session.openStream(1, "bidirectional");
  if (entry === undefined) throw new Error("no stream");
  for (let at = 0; at < 3; at += 1) {
    stage.session.write(entry, Uint8Array.of(at));
    stage.settle();
  }
  const second = stage.dial("a.example:1");
  second.reply(1, { resumed: true });
  // Only the newest is acknowledged.
  const largest = primary.packets.at(-1)?.number ?? 0;
  primary.packet((encoder) => encoder.ack({ pathId: 0, largest, delayMicros: 0, ranges: [largest, largest] }));
  stage.pass(20);
  const offsets = (peer: PlayedPeer) => peer.frames("streamData").map((call) => call[2]);
  expect([offsets(primary), offsets(second)]).toEqual([[0, 1, 2], []]);
  stage.session.linkLost(stage.now, 0, ErrorCode.LINK_LOST, "gone");
  stage.settle();
  expect(second.frames("streamData").flatMap((call) => [...(call[3] as Uint8Array)])).toEqual([0, 1]);
});

// spec: PATH-2, PATH-12
test("a path's states are told as they come, to the primary and to servers that joined by ticket, and to no others", () => {
  const { stage, primary } = Stage.client();
  const vouched = stage.dialVouched("b.example:1", "sha256:b");
  const direct = stage.dial("c.example:1", "sha256:c");
  direct.reply(3);
  stage.session.linkLost(stage.now, direct.pathId, ErrorCode.LINK_LOST, "gone");
  stage.settle();
  const statesOf = (peer: PlayedPeer, pathId: number) =>
    peer
      .messages("pathStatus")
      .filter((status) => (status as { pathId: number }).pathId === pathId)
      .map((status) => (status as { state: string }).state);
  expect(statesOf(primary, 0).at(-1)).toBe("active");
  expect(statesOf(primary, direct.pathId)).toEqual(["connecting", "active", "dead"]);
  expect(statesOf(vouched, direct.pathId)).toEqual(["connecting", "active", "dead"]);
  expect(statesOf(vouched, 0)).toContain("active");
  expect(direct.messages("pathStatus")).toEqual([]);
});

// spec: PATH-5
test("a path that stays silent is suspect, then dead, and nothing of that ends the session while another lives", () => {
  const { stage, first, second } = twoPaths();
  const types = () => stage.events.map((event) => event.type);
  stage.events.length = 0;
  for (let ms = 0; ms < 8_000 && !types().includes("path-dead"); ms += 20) {
    if (second.packets.some((packet) => packet.isAckEliciting)) second.acknowledge();
    stage.pass(20);
  }
  expect(types().filter((type) => type.startsWith("path-"))).toEqual(["path-degraded", "path-dead"]);
  expect(first.closed?.code).toBe(ErrorCode.PATH_DEAD);
  expect(types()).not.toContain("suspended");
});

// spec: CLOSE-3
test("a removed path takes no new data; its link closes when both sides have said PATH_CLOSE and nothing is under way", () => {
  const { stage, first, second } = twoPaths();
  first.say(partialBody("removePath", { requestId: 1, pathId: second.pathId, graceMs: 5_000 }));
  const said = () => [...first.frames("pathClose"), ...second.frames("pathClose")];
  expect(said()).toEqual([["pathClose", second.pathId, ErrorCode.PATH_REMOVED, ""]]);
  const before = second.frames("streamData").length;
  const entry = stage.session.openStream(1, "bidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(500_000));
  stage.settle();
  expect(second.frames("streamData")).toHaveLength(before);
  stage.pass(40);
  second.acknowledge();
  stage.pass(40);
  expect(second.closed).toBeUndefined();
  first.packet((encoder) => encoder.pathClose(second.pathId, ErrorCode.PATH_REMOVED, ""));
  second.acknowledge();
  stage.pass(20);
  expect(second.closed?.code).toBe(ErrorCode.PATH_REMOVED);
  expect(stage.events).toContainEqual(expect.objectContaining({ type: "path-closed" }));
  expect(first.messages("removePathResult")).toEqual([expect.objectContaining({ requestId: 1, code: 0 })]);
});

// spec: CLOSE-3
test("whoever does not answer a removal loses the path after its grace time", () => {
  const { stage, first, second } = twoPaths();
  first.say(partialBody("removePath", { requestId: 1, pathId: second.pathId, graceMs: 300 }));
  stage.pass(310);
  expect(second.closed?.code).toBe(ErrorCode.PATH_REMOVED);
});

// spec: CTRL-13
test("a server may remove its own paths and those it vouched for; each request has one answer", () => {
  const { stage, primary } = Stage.client();
  const vouched = stage.dialVouched("b.example:1", "sha256:b");
  vouched.say(partialBody("removePath", { requestId: 9, pathId: 0, graceMs: 0 }));
  expect(vouched.messages("removePathResult")).toEqual([expect.objectContaining({ requestId: 9, code: ErrorCode.LIMIT_REACHED })]);
  primary.say(partialBody("removePath", { requestId: 1, pathId: 77, graceMs: 0 }));
  primary.say(partialBody("removePath", { requestId: 2, pathId: vouched.pathId, graceMs: 0 }));
  stage.pass(20);
  expect(primary.messages("removePathResult")).toEqual([
    expect.objectContaining({ requestId: 1, code: 0 }),
    expect.objectContaining({ requestId: 2, code: 0 }),
  ]);
});

// spec: CTRL-13
test("an answer to a request that is not open is dropped", () => {
  const { stage, client } = Stage.server();
  const requestId = stage.session.server?.paths.request("b.example:1", "", 128) ?? 0;
  client.say(partialBody("addPathResult", { requestId: requestId + 1, pathId: 5 }));
  for (let i = 0; i < 2; i += 1) client.say(partialBody("addPathResult", { requestId, pathId: 1 }));
  client.say(partialBody("rawReply", { requestId: 99 }));
  client.say(partialBody("removePathResult", { requestId }));
  expect(stage.events.filter((event) => event.type === "path-request-done")).toEqual([
    { type: "path-request-done", requestId, code: 0, reason: "", pathId: 1 },
  ]);
  expect(client.closed).toBeUndefined();
});

// spec: CTRL-14
test("the latest status of a path is the one that counts, in whatever words", () => {
  const { stage, client } = Stage.server();
  for (const state of ["active", "levitating"])
    client.say(partialBody("pathStatus", { pathId: 3, memberId: 2, address: "b.example:1", state }));
  expect(stage.session.server?.paths.remotePaths()).toEqual([expect.objectContaining({ pathId: 3, state: "levitating" })]);
});

// spec: SESS-3, PATH-8
test("a client asks for the ticket at the server that wanted the path, with path, member and address", () => {
  const { stage, primary } = Stage.client();
  primary.say(partialBody("addPath", { requestId: 4, address: "b.example:1", identity: "sha256:b", priority: 90 }));
  expect(stage.events.at(-1)).toEqual({
    type: "path-requested",
    fromMember: 1,
    requestId: 4,
    address: "b.example:1",
    identity: "sha256:b",
    priority: 90,
  });
  const path = stage.session.opening.openPath(0, {
    address: "b.example:1",
    identity: "sha256:b",
    priority: 90,
    request: { member: 1, requestId: 4 },
  });
  if ("code" in path) throw new Error("refused");
  stage.session.clientPaths?.requestTicket(path.id, "sha256:b");
  stage.settle();
  expect(primary.messages("ticketRequest")).toEqual([
    expect.objectContaining({ pathId: 1, memberId: 2, address: "b.example:1", identity: "sha256:b" }),
  ]);
  stage.session.linkLost(0, path.id, ErrorCode.UNREACHABLE, "nobody there");
  stage.settle();
  expect(primary.messages("addPathResult")).toEqual([
    expect.objectContaining({ requestId: 4, code: ErrorCode.UNREACHABLE, reason: "nobody there" }),
  ]);
});

// spec: CLOSE-3
test("a server whose client removes a path says PATH_CLOSE when what it had under way was acknowledged, and leaves the closing to it", () => {
  const { stage, client } = Stage.server();
  const entry = stage.session.openStream(0, "unidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(1000));
  stage.settle();
  client.packet((encoder) => encoder.pathClose(0, ErrorCode.PATH_REMOVED, ""));
  stage.pass(40);
  expect(client.frames("pathClose")).toEqual([]);
  client.acknowledge();
  stage.pass(40);
  expect(client.frames("pathClose")).toEqual([["pathClose", 0, ErrorCode.PATH_REMOVED, ""]]);
  expect(client.closed).toBeUndefined();
});
