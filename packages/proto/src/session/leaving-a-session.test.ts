import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { partialBody } from "../control/partial-body.ts";
import { type PlayedPeer, Stage } from "./played-peer.fixture.ts";

function pair(): { stage: Stage; primary: PlayedPeer; vouched: PlayedPeer } {
  const { stage, primary } = Stage.client();
  return { stage, primary, vouched: stage.dialVouched("b.example:1", "sha256:b") };
}

// spec: CLOSE-1
test("a close is told to every member, and the links close when all have confirmed", () => {
  const { stage, primary, vouched } = pair();
  stage.session.close(0, 7, "enough", true);
  stage.settle();
  for (const peer of [primary, vouched]) {
    expect(peer.messages("sessionClose")).toEqual([expect.objectContaining({ code: 7, reason: "enough", application: true })]);
  }
  primary.say(partialBody("sessionCloseAck", {}));
  expect([primary.closed, vouched.closed]).toEqual([undefined, undefined]);
  vouched.say(partialBody("sessionCloseAck", {}));
  expect([primary.closed?.code, vouched.closed?.code]).toEqual([7, 7]);
});

// spec: CLOSE-1
test("a member that does not confirm is waited for one second", () => {
  const { stage, primary } = pair();
  stage.session.close(0, 0, "", false);
  stage.settle();
  stage.pass(999);
  expect(primary.closed).toBeUndefined();
  stage.pass(1);
  expect(primary.closed?.code).toBe(ErrorCode.NO_ERROR);
});

// spec: CLOSE-1
test("the primary's close is confirmed and passed on; a secondary's takes only that server out", () => {
  const first = pair();
  first.primary.say(partialBody("sessionClose", { code: 5, reason: "done", application: true }));
  expect(first.primary.messages("sessionCloseAck")).toHaveLength(1);
  expect(first.vouched.messages("sessionClose")).toEqual([expect.objectContaining({ code: 5, reason: "done", application: true })]);
  const second = pair();
  second.vouched.say(partialBody("sessionClose", { code: 5, reason: "done", application: true }));
  expect(second.stage.events.map((event) => event.type)).not.toContain("ended");
  expect(second.vouched.closed).toBeDefined();
  expect(second.primary.messages("sessionClose")).toEqual([]);
});

// spec: CLOSE-2
test("when a server that announced its shutdown closes its links, its streams end and the session goes on with the others", () => {
  const { stage, primary, vouched } = pair();
  const [lost, kept] = [stage.session.openStream(1, "bidirectional"), stage.session.openStream(2, "bidirectional")];
  primary.say(partialBody("goingAway", { reason: "update", graceMs: 0 }));
  const announced = { type: "going-away", member: 1, reason: "update", graceMs: 0, replacements: [] };
  expect(stage.events.slice(-2)).toEqual([announced, { type: "primary-changed", member: 2, reason: "member 1 leaves" }]);
  stage.session.linkLost(0, 0, ErrorCode.GOING_AWAY, "update");
  stage.settle();
  expect([lost?.failure?.code, kept?.failure?.code]).toEqual([ErrorCode.HOME_LOST, undefined]);
  expect(stage.session.state.hasEnded).toBe(false);
  stage.session.linkLost(0, vouched.pathId, ErrorCode.GOING_AWAY, "update");
  stage.settle();
  expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.GOING_AWAY });
});

// spec: CLOSE-4
test("a session without paths is suspended, resumes with the next path, and else ends with NO_PATHS after the grace time", () => {
  const { stage } = Stage.client({ graceMs: 1_000 });
  stage.session.linkLost(0, 0, ErrorCode.LINK_LOST, "gone");
  stage.pass(500);
  stage.dial("a.example:1").reply(1, { resumed: true });
  stage.session.linkLost(stage.now, 1, ErrorCode.LINK_LOST, "gone");
  stage.pass(999);
  expect(stage.events.filter((event) => event.type === "ended")).toEqual([]);
  stage.pass(1);
  expect(stage.events.map((event) => event.type).filter((type) => ["suspended", "resumed", "ended"].includes(type))).toEqual([
    "suspended",
    "resumed",
    "suspended",
    "ended",
  ]);
  expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.NO_PATHS });
});

// spec: RAW-1
test("a raw message is taken only between servers of one cluster, and only to a path that lives", () => {
  const { stage, primary, vouched } = pair();
  const direct = stage.dial("c.example:1", "sha256:c");
  direct.reply(3);
  const ask = (from: PlayedPeer, targetPathId: number) =>
    from.say(partialBody("rawMessage", { requestId: targetPathId, targetPathId, data: Uint8Array.of(1) }));
  ask(primary, direct.pathId);
  ask(primary, 99);
  ask(direct, 0);
  expect([...primary.messages("rawReply"), ...direct.messages("rawReply")].map((reply) => (reply as { code: number }).code)).toEqual([
    ErrorCode.RAW_REFUSED,
    ErrorCode.RAW_REFUSED,
    ErrorCode.RAW_REFUSED,
  ]);
  ask(primary, vouched.pathId);
  expect(vouched.frames("raw")).toEqual([["raw", 1, 0, Uint8Array.of(1)]]);
  vouched.packet((encoder) => encoder.rawReply(1, 0, Uint8Array.of(2)));
  expect(primary.messages("rawReply").at(-1)).toMatchObject({ requestId: vouched.pathId, code: 0, data: Uint8Array.of(2) });
});

// spec: RAW-3
test("a raw message that is too large is answered so, and so is one too many", () => {
  const { stage, primary } = Stage.client({ maxRawBytes: 10, maxRawOutstanding: 2 });
  const vouched = stage.dialVouched("b.example:1", "sha256:b");
  const ask = (requestId: number, size: number) =>
    primary.say(partialBody("rawMessage", { requestId, targetPathId: vouched.pathId, data: new Uint8Array(size) }));
  for (const [requestId, size] of [
    [1, 10],
    [2, 11],
    [3, 0],
    [4, 1],
  ] as const) {
    ask(requestId, size);
  }
  expect(primary.messages("rawReply")).toEqual([
    expect.objectContaining({ requestId: 2, code: ErrorCode.TOO_LARGE }),
    expect.objectContaining({ requestId: 4, code: ErrorCode.LIMIT_REACHED }),
  ]);
});

// spec: RAW-1
test("a RAW frame to a client is a violation", () => {
  const { vouched } = pair();
  vouched.packet((encoder) => encoder.raw(1, 0, Uint8Array.of(1)));
  expect(vouched.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
});

// spec: RAW-2
test("a raw message is told once however often it comes, and fails with PATH_DEAD when its target is lost before the reply", () => {
  const { stage: server, client } = Stage.server();
  for (let i = 0; i < 2; i += 1) client.packet((encoder) => encoder.raw(1, 2, Uint8Array.of(1)));
  expect(server.events.filter((event) => event.type === "raw-request")).toHaveLength(1);

  const { stage, primary, vouched } = pair();
  primary.say(partialBody("rawMessage", { requestId: 8, targetPathId: vouched.pathId, data: Uint8Array.of(1) }));
  stage.session.linkLost(0, vouched.pathId, ErrorCode.LINK_LOST, "gone");
  stage.settle();
  expect(primary.messages("rawReply")).toEqual([expect.objectContaining({ requestId: 8, code: ErrorCode.PATH_DEAD })]);
});
