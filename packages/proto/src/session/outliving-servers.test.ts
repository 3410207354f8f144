import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { streamIdOf } from "../base/ids.ts";
import { partialBody } from "../control/partial-body.ts";
import { Stage, type PlayedPeer } from "./played-peer.fixture.ts";
import type { SessionEvent } from "./session-event.ts";

function typesOf(events: readonly SessionEvent[], ...wanted: SessionEvent["type"][]): string[] {
  return events.map((event) => event.type).filter((type) => wanted.includes(type));
}

/** A client with a primary, a server that this vouches for, and one that the client brought itself. */
function three(graceMs = 10_000): { stage: Stage; primary: PlayedPeer; vouched: PlayedPeer; direct: PlayedPeer } {
  const { stage, primary } = Stage.client({ graceMs });
  const direct = stage.dial("b.example:1", "sha256:b");
  direct.reply(2);
  return { stage, primary, direct, vouched: stage.dialVouched("c.example:1", "sha256:c") };
}

/** Lets time pass while some servers answer. */
function live(stage: Stage, ms: number, ...answering: PlayedPeer[]): void {
  for (let passed = 0; passed < ms; passed += 100) {
    stage.pass(Math.min(100, ms - passed));
    for (const peer of answering) peer.acknowledge();
  }
}

function lose(stage: Stage, peer: PlayedPeer, code: ErrorCode = ErrorCode.LINK_LOST): void {
  stage.session.linkLost(stage.now, peer.pathId, code, "gone");
  stage.settle();
}

// spec: RESUME-1
test("a member without a path keeps its streams for the grace time and loses them then, while those of another go on", () => {
  const { stage, primary } = Stage.client({ graceMs: 5_000 });
  const vouched = stage.dialVouched("b.example:1", "sha256:b");
  const [kept, lost] = [stage.session.openStream(1, "bidirectional"), stage.session.openStream(2, "bidirectional")];
  lose(stage, vouched);
  live(stage, 4_900, primary);
  expect(lost?.failure).toBeUndefined();
  live(stage, 200, primary);
  expect([kept?.failure, lost?.failure?.code]).toEqual([undefined, ErrorCode.HOME_LOST]);
  expect(stage.session.state.hasEnded).toBe(false);
});

// spec: RESUME-2, RESUME-6
test("a client whose only server has forgotten the session goes on with it as a new member, and never sends it the old bytes again", () => {
  const { stage, primary } = Stage.client({ graceMs: 5_000 });
  const entry = stage.session.openStream(1, "bidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new TextEncoder().encode("pay 100"));
  stage.settle();
  expect(primary.frames("streamData")).toHaveLength(1);
  lose(stage, primary);
  stage.pass(1_000);
  const again = stage.dial("a.example:1");
  again.say(partialBody("refused", { code: ErrorCode.NO_SESSION, reason: "never heard of it" }));
  expect(entry.failure?.code).toBe(ErrorCode.HOME_LOST);
  expect(stage.session.state.hasEnded).toBe(false);

  const anew = stage.dial("a.example:1");
  expect(anew.messages("join")).toEqual([expect.objectContaining({ memberId: 2, resume: false })]);
  anew.reply(2);
  expect(typesOf(stage.events, "suspended", "resumed", "primary-changed", "ended")).toEqual(["suspended", "resumed", "primary-changed"]);
  stage.pass(1_000);
  anew.acknowledge();
  expect(anew.frames("streamData")).toEqual([]);
  const next = stage.session.openStream(2, "bidirectional");
  if (next === undefined) throw new Error("no stream");
  stage.session.write(next, new TextEncoder().encode("balance?"));
  stage.settle();
  expect(anew.frames("streamData")).toHaveLength(1);
});

// spec: RESUME-2
test("a client that has lost all its members ends when it had no path for the grace time, whenever they were lost", () => {
  const { stage, primary } = Stage.client({ graceMs: 5_000 });
  lose(stage, primary);
  stage.pass(4_000);
  const again = stage.dial("a.example:1");
  again.say(partialBody("refused", { code: ErrorCode.NO_SESSION, reason: "" }));
  stage.pass(999);
  expect(stage.session.state.hasEnded).toBe(false);
  stage.pass(1);
  expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.NO_PATHS });
});

// spec: RESUME-3
test("time in which the process slept does not count for the grace time", () => {
  const { stage, primary } = Stage.client({ graceMs: 5_000 });
  lose(stage, primary);
  stage.pass(1_500);
  // An hour on the clock, in which nothing ran.
  stage.now += 3_600_000;
  stage.session.handleTimeout(stage.now);
  stage.settle();
  expect(stage.session.state.hasEnded).toBe(false);
  // Of five seconds two and a half were waited: up to when it should have looked again.
  stage.pass(2_499);
  expect(stage.session.state.hasEnded).toBe(false);
  stage.pass(1);
  expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.NO_PATHS });
});

// spec: RESUME-3
test("a process that is a little late does not wait longer, and none waits without end by being late again and again", () => {
  const { stage, primary } = Stage.client({ graceMs: 5_000 });
  lose(stage, primary);
  for (let turn = 0; turn < 4; turn += 1) {
    stage.now += 1_500;
    stage.session.handleTimeout(stage.now);
    stage.settle();
  }
  expect(stage.session.state.hasEnded).toBe(true);
});

// spec: RESUME-5
test("what was not acknowledged goes out again on the path of a return, with newer limits and messages, each message under its number", () => {
  const { stage, primary } = Stage.client();
  const entry = stage.session.openStream(1, "bidirectional", 9);
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new TextEncoder().encode("hello"));
  stage.settle();
  const seqs = (peer: PlayedPeer, kind: "streamAnnounce"): bigint[] =>
    peer.envelopes.filter((envelope) => envelope.body.case === kind).map((envelope) => envelope.seq);
  expect(primary.frames("streamData")).toHaveLength(1);
  lose(stage, primary);
  stage.pass(500);
  stage.session.write(entry, new TextEncoder().encode(" world"));
  stage.settle();
  const again = stage.dial("a.example:1");
  again.reply(1, { resumed: true });
  stage.settle();
  expect(again.frames("streamData").map((frame) => [frame[2], Buffer.from(frame[3] as Uint8Array).toString()])).toEqual([
    [0, "hello"],
    [5, " world"],
  ]);
  expect(seqs(again, "streamAnnounce")).toEqual(seqs(primary, "streamAnnounce"));
});

// spec: RESUME-8
test("a member that was out of reach hears the last state of each path that changed, and of no other", () => {
  const { stage, primary } = Stage.client();
  const vouched = stage.dialVouched("b.example:1", "sha256:b");
  lose(stage, primary);
  for (let count = 0; count < 100; count += 1) {
    lose(stage, stage.dial("b.example:1", "sha256:b"));
    vouched.acknowledge();
  }
  expect(stage.session.state.peerOf(1).control.unacknowledgedCount).toBeLessThan(20);
  const again = stage.dial("a.example:1");
  again.reply(1, { resumed: true });
  const told = again.messages("pathStatus") as { pathId: number; state: string }[];
  const news = told.filter((status) => status.pathId > vouched.pathId && status.pathId < again.pathId);
  expect(new Set(news.map((status) => status.pathId)).size).toBe(100);
  expect(news).toHaveLength(100);
  expect(new Set(news.map((status) => status.state))).toEqual(new Set(["dead"]));
});

// spec: PRIMARY-1, PRIMARY-2, PRIMARY-3
test("when the primary is lost for good, the first server that it vouched for takes its place, and all who may know are told", () => {
  const { stage, primary, vouched, direct } = three();
  lose(stage, primary);
  live(stage, 9_900, vouched, direct);
  expect(stage.session.state.primary).toBe(1);
  live(stage, 200, vouched, direct);
  expect(stage.events).toContainEqual({ type: "primary-changed", member: 3, reason: "member 1 is lost" });
  expect(vouched.messages("primary")).toEqual([{ memberId: 3 }]);
  // Nothing of the session's other servers is told to one that nobody vouches for.
  expect(direct.messages("primary")).toEqual([]);
  expect(direct.messages("pathStatus")).toEqual([]);
  expect(stage.session.state.hasEnded).toBe(false);
});

// spec: PRIMARY-2, PRIMARY-3, PRIMARY-4
test("where nobody is vouched for, a server of the client's own takes the place: it hears of all paths, and gives tickets", () => {
  const { stage, primary } = Stage.client({ graceMs: 1_000 });
  const direct = stage.dial("b.example:1", "sha256:b");
  direct.reply(2);
  lose(stage, primary);
  live(stage, 1_100, direct);
  expect(direct.messages("primary")).toEqual([{ memberId: 2 }]);
  const told = direct.messages("pathStatus") as { pathId: number; state: string }[];
  expect(told.map((status) => [status.pathId, status.state])).toContainEqual([0, "dead"]);

  direct.say(partialBody("addPath", { requestId: 1, address: "c.example:1", identity: "sha256:c", priority: 128 }));
  expect(stage.events.at(-1)).toMatchObject({ type: "path-requested", fromMember: 2, address: "c.example:1" });
  const path = stage.session.opening.openPath(stage.now, {
    address: "d.example:1",
    identity: "sha256:d",
    priority: 128,
    request: undefined,
  });
  expect(stage.session.clientPaths?.requestTicket(path.id, "sha256:d")).toBe(true);
  stage.settle();
  expect(direct.messages("ticketRequest")).toEqual([expect.objectContaining({ pathId: path.id })]);
});

// spec: PRIMARY-2
test("a server that is silent does not become primary before it is heard again", () => {
  const { stage, primary } = Stage.client({ graceMs: 1_000, minDeadAfterMs: 60_000 });
  const vouched = stage.dialVouched("b.example:1", "sha256:b");
  lose(stage, primary);
  stage.pass(1_500);
  expect(stage.session.state.peerOf(1).isLost).toBe(true);
  expect(stage.session.state.primary).toBe(1);
  vouched.acknowledge();
  expect(stage.session.state.primary).toBe(2);
});

// spec: PRIMARY-3
test("a server takes the client's word for who is primary, and tells its application once for each change", () => {
  const { stage, client } = Stage.server();
  client.say(partialBody("primary", { memberId: 1 }));
  expect(typesOf(stage.events, "primary-changed")).toEqual([]);
  client.say(partialBody("primary", { memberId: 7 }));
  client.say(partialBody("primary", { memberId: 7 }));
  expect(stage.events.at(-1)).toEqual({ type: "primary-changed", member: 7, reason: "named by the client" });
  expect(typesOf(stage.events, "primary-changed")).toHaveLength(1);
  client.say(partialBody("primary", { memberId: 0 }));
  expect(client.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
});

// spec: PRIMARY-1, CLOSE-1
test("after another took its place, the first server can end its own part of the session only", () => {
  const { stage, primary, vouched } = three();
  primary.say(partialBody("goingAway", { reason: "update", graceMs: 60_000 }));
  expect(stage.session.state.primary).toBe(3);
  primary.say(partialBody("sessionClose", { code: 0, reason: "bye", application: false }));
  expect(stage.session.state.hasEnded).toBe(false);
  vouched.say(partialBody("sessionClose", { code: 5, reason: "the end", application: true }));
  expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: 5 });
});

// spec: PRIMARY-4
test("a new primary vouches for a server that the lost one brought when it asks for a path to it, and not before", () => {
  const { stage, primary } = Stage.client({ graceMs: 1_000 });
  const heir = stage.dialVouched("b.example:1", "sha256:b");
  const other = stage.dialVouched("c.example:1", "sha256:c");
  lose(stage, primary);
  live(stage, 1_100, heir, other);
  expect(stage.session.state.primary).toBe(2);
  expect(stage.session.state.peerOf(3).vouchedBy).toBe(1);
  const path = stage.session.opening.openPath(stage.now, {
    address: "c.example:1",
    identity: "sha256:c",
    priority: 128,
    request: { member: 2, requestId: 1 },
  });
  stage.session.clientPaths?.vouched(path, 2);
  expect(stage.session.state.peerOf(3).vouchedBy).toBe(2);
});

// spec: RAW-2
test("a raw message is done once however late its copy comes, and a very old one not at all", () => {
  const { stage, client } = Stage.server();
  const ask = (requestId: number): void => {
    client.packet((encoder) => encoder.raw(requestId, 0, Uint8Array.of(1)));
    for (const event of stage.events.splice(0)) {
      if (event.type !== "raw-request") continue;
      done.push(event.requestId);
      stage.session.server?.raw.reply(event.requestId, 0, new Uint8Array(0));
    }
    stage.settle();
    client.acknowledge();
  };
  const done: number[] = [];
  // Number 2 is on a slow path meanwhile.
  for (let requestId = 1; requestId <= 3_000; requestId += 1) if (requestId !== 2) ask(requestId);
  expect(done).toHaveLength(2_999);
  ask(2_900);
  ask(1);
  ask(2);
  expect(done).toHaveLength(2_999);
  const refused = client.frames("rawReply").filter((frame) => frame[2] === ErrorCode.LIMIT_REACHED);
  expect(refused.map((frame) => frame[1])).toEqual([1, 2]);
});

// spec: CONTENT-5, RESUME-1
test("a content behind bytes that died with their home ends its stream, one that comes next completes it", () => {
  for (const streamOffset of [0n, 1_000n]) {
    const { stage, primary } = Stage.client({ graceMs: 1_000 });
    const vouched = stage.dialVouched("b.example:1", "sha256:b");
    const streamId = streamIdOf(1, "server", "unidirectional", 0);
    const length = 1_000_000_000n;
    const blocks = Math.ceil(Number(length) / (256 * 1024));
    const offer = { streamId: BigInt(streamId), offerId: 1, streamOffset, contentId: "film", version: "1", end: true };
    primary.say(partialBody("contentOffer", { ...offer, contentLength: length, length, blockBytes: 256 * 1024 }));
    primary.say(
      partialBody("contentHashes", {
        streamId: BigInt(streamId),
        offerId: 1,
        hashes: new Uint8Array(32 * blocks),
        root: new Uint8Array(32),
      }),
    );
    const entry = stage.session.state.streams.get(streamId);
    lose(stage, primary);
    live(stage, 1_100, vouched);
    expect(entry?.failure?.code).toBe(streamOffset === 0n ? undefined : ErrorCode.HOME_LOST);
    expect(stage.session.content.hasFetches).toBe(streamOffset === 0n);
    expect(vouched.messages("rangeCancel").length > 0).toBe(streamOffset !== 0n);
  }
});
