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
import { CREDIT, PlayedPeer, Stage } from "./played-peer.fixture.ts";

const KiB = 1024;
const HELLO = { versions: [1], credit: CREDIT, clientKey: new Uint8Array(91) };

function acceptorWith(...bytes: Uint8Array[]): PathAcceptor {
  const acceptor = new PathAcceptor({ limits: DEFAULT_LIMITS, checksum: undefined, requireChecksum: false });
  for (const data of bytes) acceptor.handleData(1, data);
  return acceptor;
}

// spec: CTRL-9, PATH-3
test("a client's first message on path 0 is a hello, on any other a join, and nothing else until the reply", () => {
  const stage = new Stage("client", 0);
  const first = stage.dial("a.example:1");
  stage.session.openStream(1, "bidirectional");
  expect(first.envelopes.map((envelope) => [envelope.body.case, envelope.seq, envelope.ack])).toEqual([["clientHello", 0n, 0n]]);
  first.reply(1);
  expect(first.messages("pathStatus").length).toBeGreaterThan(0);
  const second = stage.dial("b.example:1", "sha256:b");
  expect(second.envelopes.map((envelope) => envelope.body.case)).toEqual(["join"]);
});

// spec: CTRL-9
test("a path that does not begin with a hello or a join is refused", () => {
  const wrong = encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("goingAway", {}), 1));
  expect(acceptorWith(encodePreamble(CarrierKind.control), wrong).pollOpening()).toMatchObject({ code: ErrorCode.PROTOCOL_VIOLATION });
});

// spec: CTRL-4, CTRL-9
test("a second hello, or a second reply, on a path that has begun ends the path", () => {
  const { stage, primary } = Stage.client();
  primary.reply(1);
  expect(primary.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(stage.events.at(-1)?.type).toBe("suspended");
  const { client } = Stage.server();
  client.say(partialBody("clientHello", HELLO));
  expect(client.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
});

// spec: CTRL-9
test("a refusal ends the attempt with the server's code and reason", () => {
  const stage = new Stage("client", 0);
  stage.dial("a.example:1").say(partialBody("refused", { code: ErrorCode.AUTH_REFUSED, reason: "unknown token" }));
  expect(stage.events).toContainEqual(
    expect.objectContaining({ type: "path-failed", code: ErrorCode.AUTH_REFUSED, reason: "unknown token" }),
  );
});

// spec: CTRL-20
test("the port of another process is heard of by a client that said so, in the answer to its hello, and only there", () => {
  const answer = partialBody("refused", { code: ErrorCode.LIMIT_REACHED, redirectPort: 4434 });
  const heard = (takesRedirect: boolean, said = answer): (number | undefined)[] => {
    const stage = new Stage("client", 0);
    const server = stage.dial("a.example:1", undefined, true, takesRedirect);
    const [hello] = server.messages("clientHello") as { features: string[] }[];
    expect(hello?.features.includes("redirect")).toBe(takesRedirect);
    server.say(said);
    expect(stage.events.at(-1)?.type === "ended" || stage.events.some(({ type }) => type === "path-failed")).toBe(true);
    return stage.events.flatMap((event) => (event.type === "redirected" ? [event.port] : []));
  };
  expect(heard(true)).toEqual([4434]);
  expect(heard(false)).toEqual([]);
  expect(heard(true, partialBody("refused", { code: ErrorCode.LIMIT_REACHED, redirectPort: 65_536 }))).toEqual([]);
  expect(heard(true, partialBody("refused", { code: ErrorCode.LIMIT_REACHED, retryAfterMs: 5 }))).toEqual([]);
  expect(heard(true, partialBody("refused", { code: ErrorCode.AUTH_REFUSED, redirectPort: 4434 }))).toEqual([]);
  const { stage } = Stage.client();
  const second = stage.dial("b.example:1", "sha256:b");
  const [join] = second.messages("join") as { features: string[] }[];
  expect(join?.features).not.toContain("redirect");
  second.say(answer);
  expect(stage.events.filter(({ type }) => type === "redirected")).toEqual([]);
});

// spec: CTRL-10
test("a hello without a version in common is refused with VERSION, and a reply with one that was not offered too", () => {
  const hello = (versions: number[]) => encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("clientHello", { ...HELLO, versions })));
  const control = encodePreamble(CarrierKind.control);
  expect(acceptorWith(control, hello([2, 3])).pollOpening()).toMatchObject({ code: ErrorCode.VERSION });
  expect(acceptorWith(control, hello([])).pollOpening()).toMatchObject({ code: ErrorCode.VERSION });
  expect(acceptorWith(control, hello([9, 1])).pollOpening()).toMatchObject({ kind: "hello" });
  const stage = new Stage("client", 0);
  const server = stage.dial("a.example:1");
  server.say(partialBody("helloReply", { version: 2, sessionId: new Uint8Array(16), memberId: 1, credit: CREDIT }));
  expect(server.closed?.code).toBe(ErrorCode.VERSION);
});

// spec: CTRL-10
test("features that are not known do no harm, on either side", () => {
  const stage = new Stage("client", 0);
  const server = stage.dial("a.example:1");
  server.say(partialBody("helloReply", { version: 1, features: ["teleport"], sessionId: new Uint8Array(16), memberId: 1, credit: CREDIT }));
  expect(stage.events.map((event) => event.type)).toContain("established");
  const hello = encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("clientHello", { ...HELLO, features: ["teleport"] })));
  expect(acceptorWith(encodePreamble(CarrierKind.control), hello).pollOpening()).toMatchObject({ kind: "hello" });
});

// spec: PATH-3
test("packets that overtake the path's acceptance are held and then processed", () => {
  const stage = new Stage("server", 1);
  stage.accept(0, (encoder) => encoder.stream(streamIdOf(1, "client", "bidirectional", 0), 0, Uint8Array.of(1, 2, 3), true));
  const entry = stage.session.pollIncomingStream();
  expect(entry && stage.session.read(0, entry)).toEqual(Uint8Array.of(1, 2, 3));
});

// spec: PATH-3, CARRIER-5
test("more than the bytes allowed before acceptance is TOO_LARGE", () => {
  const acceptor = new PathAcceptor({
    limits: { ...DEFAULT_LIMITS, maxBytesBeforeAuth: 1000 },
    checksum: undefined,
    requireChecksum: false,
  });
  expect(acceptor.handleData(1, encodePreamble(CarrierKind.data))).toBeUndefined();
  expect(acceptor.handleData(1, new Uint8Array(994))).toBeUndefined();
  expect(acceptor.handleData(1, new Uint8Array(1))).toMatchObject({ code: ErrorCode.TOO_LARGE });
});

// spec: CARRIER-1, CARRIER-4
test("a second control carrier, or a certificate query beside one, ends the path", () => {
  for (const kind of [CarrierKind.control, CarrierKind.certificate]) {
    const { client } = Stage.server();
    client.open(kind);
    expect(client.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  }
});

// spec: CARRIER-1
test("the end of the control carrier ends the path", () => {
  const { stage, client } = Stage.server();
  stage.session.handleCarrierClosed(0, 0, 1);
  stage.settle();
  expect(client.closed?.code).toBe(ErrorCode.LINK_LOST);
});

// spec: PATH-1
test("a client numbers its paths from 0 and never again the same; a server refuses a number that was used", () => {
  const { stage, primary } = Stage.client();
  stage.session.linkLost(0, 0, ErrorCode.LINK_LOST, "gone");
  const again = stage.dial("a.example:1");
  expect([primary.pathId, again.pathId]).toEqual([0, 1]);
  const { stage: serverStage } = Stage.server();
  serverStage.session.linkLost(0, 0, ErrorCode.LINK_LOST, "gone");
  const peer = new PlayedPeer(serverStage, 0);
  const acceptor = acceptorWith(
    encodePreamble(CarrierKind.control),
    encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("clientHello", HELLO))),
  );
  peer.acceptor = acceptor;
  const opening = acceptor.pollOpening();
  if (opening === undefined || "code" in opening) throw new Error("not read");
  const link = { address: "", transport: "played", identity: undefined, isEncrypted: true };
  expect(serverStage.session.server?.acceptance.accept(0, acceptor, opening, link, true)).toMatchObject({
    code: ErrorCode.PROTOCOL_VIOLATION,
  });
});

// spec: SESS-1
test("a server keeps its member number by its key, whatever its address; another key is another member", () => {
  const { stage } = Stage.client();
  const member = (address: string, identity: string) => {
    const { pathId } = stage.dial(address, identity);
    return stage.session.state.paths.byId(pathId)?.member;
  };
  expect(member("b.example:1", "sha256:b")).toBe(2);
  expect(member("c.example:1", "sha256:c")).toBe(3);
  expect(member("b.example:2", "sha256:b")).toBe(2);
});

// spec: CTRL-12, PATH-1
test("several paths to one server share its credit, and a reply on a further path gives none anew", () => {
  const { stage, primary } = Stage.client();
  const path = stage.dial("a.example:1");
  path.reply(1, { resumed: true, credit: { ...CREDIT, sessionWindowBytes: 900_000_000n, maxBidirectionalStreams: 9000 } });
  const peer = stage.session.state.peerOf(1);
  expect(stage.session.state.paths.usableOf(1)).toHaveLength(2);
  expect([peer.sendCredit.limit, peer.outgoing.bidirectional.limit]).toEqual([4_000_000, 200]);
  const entry = stage.session.openStream(1, "bidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(900_000));
  stage.settle();
  const lengths = [primary, path].map((each) => each.frames("streamData").reduce((sum, call) => sum + (call[3] as Uint8Array).length, 0));
  expect(Math.min(...lengths)).toBeGreaterThan(0);
});

// spec: CREDIT-5, CTRL-12
test("a server with smaller limits still takes what a client may send unseen, and a client uses no more before the reply", () => {
  const small = { initialStreamWindowBytes: 16 * KiB, maxStreamWindowBytes: 16 * KiB, initialSessionWindowBytes: 32 * KiB, maxStreams: 1 };
  const { stage, client } = Stage.server({ ...small, maxSessionWindowBytes: 32 * KiB });
  for (let sequence = 0; sequence < 4; sequence += 1) {
    const id = streamIdOf(1, "client", "bidirectional", sequence);
    for (let at = 0; at < 256 * KiB; at += 32 * KiB) client.packet((encoder) => encoder.stream(id, at, new Uint8Array(32 * KiB), false));
  }
  client.packet((encoder) => encoder.stream(streamIdOf(1, "client", "unidirectional", 99), 0, new Uint8Array(0), false));
  expect(client.closed).toBeUndefined();
  expect(stage.session.state.streams.size).toBe(104);
  client.packet((encoder) => encoder.stream(streamIdOf(1, "client", "bidirectional", 4), 0, new Uint8Array(1), false));
  expect(client.closed?.code).toBe(ErrorCode.FLOW_CONTROL);

  const early = new Stage("client", 0);
  early.dial("a.example:1");
  const peer = early.session.state.peerOf(1);
  expect([peer.initialStreamWindowBytes, peer.sendCredit.limit]).toEqual([256 * KiB, 1024 * KiB]);
  expect([peer.outgoing.bidirectional.limit, peer.outgoing.unidirectional.limit]).toEqual([100, 100]);
});

// spec: CREDIT-5
test("beyond the hundred streams of a direction a small server says STREAM_LIMIT", () => {
  const { client } = Stage.server({ maxStreams: 1 });
  client.packet((encoder) => encoder.stream(streamIdOf(1, "client", "bidirectional", 100), 0, new Uint8Array(0), false));
  expect(client.closed?.code).toBe(ErrorCode.STREAM_LIMIT);
});

// spec: CTRL-11
test("a join says whether the server was joined before, and a server that forgot loses its streams", () => {
  const { stage } = Stage.client();
  const entry = stage.session.openStream(1, "bidirectional");
  stage.session.linkLost(0, 0, ErrorCode.LINK_LOST, "gone");
  const again = stage.dial("a.example:1");
  expect(again.messages("join")).toEqual([expect.objectContaining({ resume: true, pathId: 1, memberId: 1 })]);
  again.reply(1, { resumed: false });
  expect(entry?.failure?.code).toBe(ErrorCode.HOME_LOST);
  expect(stage.events.at(-1)).toMatchObject({ type: "member-lost", member: 1 });
});

// spec: CARRIER-2
test("either side opens data carriers, and packets go both ways on each, with a preamble of the opener alone", () => {
  const { stage, client } = Stage.server();
  client.open(CarrierKind.data);
  const entry = stage.session.openStream(0, "unidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, Uint8Array.of(1));
  stage.settle();
  client.packet((encoder) => encoder.probe());
  expect(client.frames("streamData")).toHaveLength(1);
  expect(client.frames("ack").length).toBeGreaterThan(0);
});

// spec: CARRIER-3
test("a data carrier that ends between packets is missed by nobody; one that ends inside a packet ends the path", () => {
  const { stage, client } = Stage.server();
  const whole = client.open(CarrierKind.data);
  client.packet((encoder) => encoder.probe());
  client.acknowledge();
  stage.session.handleCarrierClosed(0, 0, whole);
  stage.settle();
  expect(client.closed).toBeUndefined();
  const cut = client.open(CarrierKind.data);
  client.bytes(cut, Uint8Array.of(0, 9, 2, 1));
  stage.session.handleCarrierClosed(0, 0, cut);
  stage.settle();
  expect(client.closed?.code).toBe(ErrorCode.LINK_LOST);
});

// spec: CARRIER-3
test("a data carrier that ends while packets of the path are unacknowledged ends it", () => {
  const { stage, client } = Stage.server();
  const carrier = client.open(CarrierKind.data);
  const entry = stage.session.openStream(0, "unidirectional");
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, Uint8Array.of(1));
  stage.settle();
  stage.session.handleCarrierClosed(0, 0, carrier);
  stage.settle();
  expect(client.closed?.code).toBe(ErrorCode.LINK_LOST);
});

// spec: WIRE-4
test("packets of 132 KiB are taken whatever the limits, and no larger ones", () => {
  const { client } = Stage.server({ maxPacketBytes: 1000, maxRawBytes: 1000 });
  client.packet((encoder) => encoder.padding(132 * KiB));
  expect(client.closed).toBeUndefined();
  client.packet((encoder) => encoder.padding(132 * KiB + 1));
  expect(client.closed?.code).toBe(ErrorCode.TOO_LARGE);
});

// spec: WIRE-6
test("packets carry a checksum on links that do not encrypt, and none on those that do", () => {
  for (const isEncrypted of [true, false]) {
    const stage = new Stage("client", 0);
    const server = stage.dial("a.example:1", undefined, isEncrypted);
    server.reply(1);
    const entry = stage.session.openStream(1, "bidirectional");
    if (entry === undefined) throw new Error("no stream");
    stage.session.write(entry, new Uint8Array(100));
    stage.settle();
    expect(server.frames("streamData")).toHaveLength(1);
    expect(server.checksumCount).toBe(isEncrypted ? 0 : server.packets.length);
  }
});

// spec: WIRE-15
test("a failure closes the path that it happened on, and no other", () => {
  const { stage, primary } = Stage.client();
  const other = stage.dial("a.example:1");
  other.reply(1, { resumed: true });
  other.bytes(other.open(CarrierKind.data), Uint8Array.of(0, 0, 1, 0x3f));
  stage.settle();
  expect([primary.closed, other.closed?.code]).toEqual([undefined, ErrorCode.FRAME_ENCODING]);
});
