import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { partialBody } from "../control/partial-body.ts";
import { Stage, type PlayedPeer } from "./played-peer.fixture.ts";

function pair(): { stage: Stage; primary: PlayedPeer; vouched: PlayedPeer } {
  const { stage, primary } = Stage.client({ graceMs: 60_000 });
  return { stage, primary, vouched: stage.dialVouched("b.example:1", "sha256:b") };
}

function live(stage: Stage, ms: number, ...answering: PlayedPeer[]): void {
  for (let passed = 0; passed < ms; passed += 100) {
    stage.pass(Math.min(100, ms - passed));
    for (const peer of answering) peer.acknowledge();
  }
}

function goAway(peer: PlayedPeer, graceMs = 10_000, replacements: string[] = []): void {
  peer.say(partialBody("goingAway", { reason: "update", graceMs, replacements }));
}

function lose(stage: Stage, peer: PlayedPeer, code: ErrorCode): void {
  stage.session.linkLost(stage.now, peer.pathId, code, "gone");
  stage.settle();
}

// spec: DRAIN-1, DRAIN-2
test("the client hears of a server's replacements, with the identities that they have to prove, and looks at eight of them", () => {
  const { stage, primary } = Stage.client();
  const identity = `sha256:${"0a".repeat(32)}`;
  const more = Array.from({ length: 1_000 }, (_, index) => `d${index}.example:1`);
  goAway(primary, 5_000, ["b.example:1", `c.example:1#${identity}`, ...more]);
  expect(stage.events.at(-1)).toEqual({
    type: "going-away",
    member: 1,
    reason: "update",
    graceMs: 5_000,
    replacements: [
      { address: "b.example:1", identity: "" },
      { address: "c.example:1", identity },
      ...more.slice(0, 6).map((address) => ({ address, identity: "" })),
    ],
  });
});

// spec: DRAIN-2
test("a server that names replacements again is not heard a second time", () => {
  const { stage, primary } = Stage.client();
  goAway(primary, 5_000);
  goAway(primary, 5_000, ["b.example:1"]);
  for (let count = 0; count < 100; count += 1) goAway(primary, 5_000, [`c${count}.example:1`]);
  const named = stage.events.flatMap((event) => (event.type === "going-away" ? event.replacements : []));
  expect(named).toEqual([{ address: "b.example:1", identity: "" }]);
});

// spec: PRIMARY-2, DRAIN-2
test("the first replacement that is there becomes primary, before servers that were there", () => {
  const { stage, primary } = Stage.client();
  stage.dialVouched("b.example:1", "sha256:b");
  const named = stage.dialVouched("c.example:1", "sha256:c");
  goAway(primary, 5_000, ["d.example:1", "c.example:1"]);
  expect(stage.session.state.primary).toBe(3);
  expect(named.messages("primary")).toEqual([{ memberId: 3 }]);
  expect(primary.messages("primary")).toEqual([{ memberId: 3 }]);
});

// spec: DRAIN-2
test("the ticket for a replacement is asked of the server that leaves, which is not left before it is given", () => {
  const { stage, primary, vouched } = pair();
  goAway(primary);
  const plan = { address: "c.example:1", identity: "sha256:c", priority: 128, request: undefined, authority: 1 };
  const path = stage.session.opening.openPath(stage.now, plan);
  expect(stage.session.clientPaths?.requestTicket(path.id, "sha256:c")).toBe(true);
  stage.settle();
  expect(primary.messages("ticketRequest")).toEqual([expect.objectContaining({ pathId: path.id, memberId: 3 })]);
  live(stage, 1_000, primary, vouched);
  expect(primary.messages("sessionClose")).toEqual([]);
  primary.say(partialBody("ticketReply", { requestId: path.id, ticket: "signed" }));
  expect(stage.events.at(-1)).toMatchObject({ type: "ticket", pathId: path.id, ticket: "signed", fromMember: 1 });
  stage.session.clientPaths?.vouched(path, 1);
  live(stage, 500, primary, vouched);
  expect(primary.messages("sessionClose")).toHaveLength(1);
});

// spec: DRAIN-4
test("a server at which nothing is left is taken leave of by itself, and its links close when it has confirmed", () => {
  const { stage, primary, vouched } = pair();
  const entry = stage.session.openStream(1, "bidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(10));
  stage.session.finish(entry);
  stage.settle();
  goAway(primary);
  live(stage, 2_000, primary, vouched);
  expect(primary.messages("sessionClose")).toEqual([]);
  // Its last stream ends.
  primary.packet((encoder) => encoder.stream(entry.id, 0, Uint8Array.of(1), true));
  while (stage.session.read(stage.now, entry) !== undefined);
  live(stage, 500, primary, vouched);
  expect(primary.messages("sessionClose")).toEqual([{ code: 0, reason: "the client goes on at another server", application: false }]);
  expect(vouched.messages("sessionClose")).toEqual([]);
  expect(primary.closed).toBeUndefined();
  primary.say(partialBody("sessionCloseAck", {}));
  expect(primary.closed?.code).toBe(ErrorCode.NO_ERROR);
  expect(stage.events.at(-1)).toMatchObject({ type: "member-lost", member: 1 });
  expect(stage.session.state.hasEnded).toBe(false);
});

// spec: DRAIN-4
test("one that does not confirm a farewell is waited for one second, and a farewell is said once", () => {
  const { stage, primary, vouched } = pair();
  goAway(primary);
  live(stage, 600, primary, vouched);
  goAway(primary);
  expect(primary.messages("sessionClose")).toHaveLength(1);
  live(stage, 1_200, primary, vouched);
  expect(primary.closed?.code).toBe(ErrorCode.NO_ERROR);
  expect(primary.messages("sessionClose")).toHaveLength(1);
});

// spec: DRAIN-4
test("a server whose client has nowhere else to go, or only to others that leave, is not left", () => {
  const { stage, primary, vouched } = pair();
  goAway(vouched);
  goAway(primary);
  live(stage, 3_000, primary, vouched);
  expect([...primary.messages("sessionClose"), ...vouched.messages("sessionClose")]).toEqual([]);
});

// spec: DRAIN-4, RAW-1
test("a raw message that waits for its answer keeps the server that asked and the one that was asked", () => {
  for (const leaver of ["primary", "vouched"] as const) {
    const { stage, primary, vouched } = pair();
    const other = stage.dialVouched("c.example:1", "sha256:c");
    primary.say(partialBody("rawMessage", { requestId: 1, targetPathId: vouched.pathId, data: Uint8Array.of(1) }));
    const peer = leaver === "primary" ? primary : vouched;
    goAway(peer);
    live(stage, 1_000, primary, vouched, other);
    expect(peer.messages("sessionClose")).toEqual([]);
    const [request] = vouched.frames("raw");
    vouched.packet((encoder) => encoder.rawReply(Number(request?.[1]), 0, Uint8Array.of(2)));
    live(stage, 500, primary, vouched, other);
    expect(peer.messages("sessionClose")).toHaveLength(1);
  }
});

// spec: DRAIN-5
test("when its time is over a server closes its links, and what is left there ends at once", () => {
  const { stage, primary, vouched } = pair();
  const [lost, kept] = [stage.session.openStream(1, "bidirectional"), stage.session.openStream(2, "bidirectional")];
  goAway(primary);
  live(stage, 3_000, primary, vouched);
  lose(stage, primary, ErrorCode.GOING_AWAY);
  expect([lost?.failure?.code, kept?.failure]).toEqual([ErrorCode.HOME_LOST, undefined]);
});

// spec: DRAIN-5
test("a server that leaves and falls silent is waited for until its time is over, and may be returned to", () => {
  const { stage, primary, vouched } = pair();
  const entry = stage.session.openStream(1, "bidirectional");
  goAway(primary, 5_000);
  lose(stage, primary, ErrorCode.LINK_LOST);
  live(stage, 2_000, vouched);
  expect(entry?.failure).toBeUndefined();
  const again = stage.dial("a.example:1");
  again.reply(1, { resumed: true });
  live(stage, 1_000, vouched, again);
  expect(entry?.failure).toBeUndefined();
  lose(stage, again, ErrorCode.LINK_LOST);
  live(stage, 1_900, vouched);
  expect(entry?.failure).toBeUndefined();
  live(stage, 200, vouched);
  expect(entry?.failure?.code).toBe(ErrorCode.HOME_LOST);
});

// spec: DRAIN-5, RESUME-2
test("when the last server leaves, the session ends with GOING_AWAY unless somebody is being dialled; then it waits for that", () => {
  for (const prospects of [0, 1]) {
    const { stage, primary } = Stage.client({ graceMs: 5_000 });
    goAway(primary);
    stage.session.state.prospects = () => prospects;
    lose(stage, primary, ErrorCode.GOING_AWAY);
    expect(stage.session.state.hasEnded).toBe(prospects === 0);
    if (prospects === 0) expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.GOING_AWAY });
    stage.pass(4_999);
    expect(stage.session.state.hasEnded).toBe(prospects === 0);
    stage.pass(1);
    expect(stage.events.at(-1)).toMatchObject({ type: "ended", code: ErrorCode.GOING_AWAY });
  }
});

// spec: DRAIN-5
test("a path that is being made to somebody else counts as well", () => {
  const { stage, primary } = Stage.client({ graceMs: 5_000 });
  goAway(primary);
  const next = stage.dial("b.example:1", "sha256:b");
  lose(stage, primary, ErrorCode.GOING_AWAY);
  expect(stage.session.state.hasEnded).toBe(false);
  next.reply(2);
  expect(stage.events.slice(-2).map((event) => event.type)).toEqual(["resumed", "primary-changed"]);
  expect(stage.session.state.primary).toBe(2);
});

// spec: DRAIN-5
test("a server that refuses a return because it leaves is not waited for", () => {
  const { stage, primary, vouched } = pair();
  const entry = stage.session.openStream(1, "bidirectional");
  lose(stage, primary, ErrorCode.LINK_LOST);
  const again = stage.dial("a.example:1");
  again.say(partialBody("refused", { code: ErrorCode.GOING_AWAY, reason: "update" }));
  expect(entry?.failure?.code).toBe(ErrorCode.HOME_LOST);
  live(stage, 500, vouched);
  expect(stage.session.state.primary).toBe(2);
});

// spec: CLOSE-2
test("a server that refuses a path because it leaves loses nobody who was not there yet", () => {
  const { stage, primary } = Stage.client();
  const refusing = stage.dial("b.example:1", "sha256:b");
  refusing.say(partialBody("refused", { code: ErrorCode.GOING_AWAY, reason: "update" }));
  const later = stage.dial("b.example:1", "sha256:b");
  later.reply(2);
  goAway(primary);
  expect(stage.session.state.primary).toBe(2);
});
