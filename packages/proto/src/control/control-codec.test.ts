import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { envelopeOf } from "./control-body.ts";
import { partialBody } from "./partial-body.ts";
import type { Envelope } from "./control-body.ts";
import { ControlDecoder, encodeEnvelope } from "./control-codec.ts";
import { EVERY_MESSAGE } from "./every-message.ts";
import { byteFieldsOf, decodeAll, framed } from "./decode-all.fixture.ts";

const limits = { maxControlMessageBytes: 100_000 };
const NO_CREDIT = { streamWindowBytes: 0n, sessionWindowBytes: 0n, maxBidirectionalStreams: 0, maxUnidirectionalStreams: 0 };
const NO_BODY = { case: undefined };

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

// spec: CTRL-2
test("a large message arrives whole, byte by byte and in one piece", () => {
  const data = new Uint8Array(70_000).map((_, index) => index);
  const bytes = encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("rawReply", { requestId: 1, data }), 1));
  for (const cuts of [[], Array.from(bytes.keys())]) {
    const { envelopes, problem } = decodeAll(bytes, cuts);
    expect(problem).toBeUndefined();
    expect(envelopes[0]?.body).toMatchObject({ case: "rawReply", value: { requestId: 1, data } });
  }
});

test("decoded byte fields do not hold on to the bytes that were pushed", () => {
  const bytes = encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("rawReply", { data: Uint8Array.of(1, 2, 3) }), 1));
  const buffer = new Uint8Array(bytes);
  const decoder = new ControlDecoder(limits, EVERY_MESSAGE);
  expect(decoder.push(buffer)).toBeUndefined();
  buffer.fill(0xff);
  expect(decoder.poll()?.body.value).toMatchObject({ data: Uint8Array.of(1, 2, 3) });
});

test("a byte field keeps nothing of the message around it: neither other fields nor those of a newer version", () => {
  const message = new BinaryWriter()
    .tag(65, WireType.LengthDelimited)
    .fork()
    .tag(4, WireType.LengthDelimited)
    .bytes(new Uint8Array(32).fill(7))
    .tag(5, WireType.LengthDelimited)
    .bytes(new Uint8Array(32).fill(8))
    .join()
    .tag(2000, WireType.LengthDelimited)
    .bytes(new Uint8Array(90_000))
    .finish();
  for (const cuts of [[], [5_000, 50_000]]) {
    const fields = byteFieldsOf(decodeAll(framed(message), cuts).envelopes);
    expect(fields.map((data) => [data.length, data.buffer.byteLength])).toEqual([
      [32, 32],
      [32, 32],
    ]);
  }
});

test("a beginning of a message is neither an envelope nor a failure", () => {
  const bytes = encodeEnvelope(
    EVERY_MESSAGE,
    envelopeOf(partialBody("ticketReply", { requestId: 3, ticket: "x".repeat(100), reason: "ö" }), 9, 4),
  );
  for (let length = 0; length < bytes.length; length += 1) {
    expect(decodeAll(bytes.subarray(0, length))).toEqual({ envelopes: [], problem: undefined });
  }
});

// spec: CTRL-2
test("a length above the limit is refused before any byte of the message", () => {
  expect(decodeAll(Uint8Array.of(0x80, 0x01, 0x86, 0xa1)).problem?.code).toBe(ErrorCode.TOO_LARGE);
  expect(decodeAll(Uint8Array.of(0x80, 0x01, 0x86, 0xa0)).problem).toBeUndefined();
  expect(decodeAll(new Uint8Array(8).fill(0xff)).problem?.code).toBe(ErrorCode.TOO_LARGE);
});

// spec: CTRL-1
test("a length may be written longer than necessary", () => {
  const message = encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("sessionCloseAck", {}), 5)).subarray(1);
  for (const prefix of [
    [0x40, message.length],
    [0x80, 0, 0, message.length],
    [0xc0, 0, 0, 0, 0, 0, 0, message.length],
  ]) {
    expect(decodeAll(Uint8Array.from([...prefix, ...message])).envelopes.map((envelope) => envelope.seq)).toEqual([5n]);
  }
});

test("after a failure the decoder stays failed, and what came before it is kept", () => {
  const decoder = new ControlDecoder(limits, EVERY_MESSAGE);
  const good = encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("sessionCloseAck", {}), 1));
  const problem = decoder.push(Uint8Array.from([...good, 0x01, 0xff, ...good]));
  expect(problem?.code).toBe(ErrorCode.FRAME_ENCODING);
  expect(decoder.push(good)).toBe(problem);
  expect(decoder.poll()?.seq).toBe(1n);
  expect(decoder.poll()).toBeUndefined();
});

// spec: CTRL-3
test("numbers that cannot be exact, and fractions that are no measure, are refused", () => {
  const bad: Envelope[] = [
    { seq: 2n ** 53n, ack: 0n, body: NO_BODY },
    { seq: 0n, ack: 2n ** 64n - 1n, body: NO_BODY },
    envelopeOf(partialBody("contentOffer", { length: 2n ** 53n }), 1),
    envelopeOf(partialBody("clientHello", { credit: { ...NO_CREDIT, sessionWindowBytes: 2n ** 60n } })),
    envelopeOf(partialBody("pathStatus", { rttMs: Number.NaN }), 1),
    envelopeOf(partialBody("pathStatus", { receiveRate: Number.POSITIVE_INFINITY }), 1),
    envelopeOf(partialBody("pathStatus", { rttMs: -1 }), 1),
  ];
  for (const envelope of bad) expect(decodeAll(encodeEnvelope(EVERY_MESSAGE, envelope)).problem?.code).toBe(ErrorCode.FRAME_ENCODING);
  expect(decodeAll(encodeEnvelope(EVERY_MESSAGE, { seq: 2n ** 53n - 1n, ack: 0n, body: NO_BODY })).problem).toBeUndefined();
});

// spec: CTRL-3
test("text that is not UTF-8 is refused; text with half a surrogate pair can be sent", () => {
  const message = new BinaryWriter()
    .tag(19, WireType.LengthDelimited)
    .fork()
    .tag(2, WireType.LengthDelimited)
    .bytes(Uint8Array.of(0xc3, 0x28))
    .join()
    .finish();
  expect(decodeAll(framed(message)).problem?.code).toBe(ErrorCode.FRAME_ENCODING);
  const odd = encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("sessionClose", { reason: "a\ud800b" }), 1));
  expect(decodeAll(odd).envelopes[0]?.body.value).toMatchObject({ reason: "a\ufffdb" });
});

// spec: CTRL-16
test("fields of a newer version are passed over wherever they are", () => {
  const message = new BinaryWriter()
    .tag(1, WireType.Varint)
    .uint64(4n)
    .tag(9, WireType.LengthDelimited)
    .string("an envelope field of tomorrow")
    .tag(32, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.Varint)
    .uint32(8)
    .tag(99, WireType.Bit32)
    .fixed32(1)
    .tag(2, WireType.LengthDelimited)
    .string("host:1")
    .tag(100, WireType.StartGroup)
    .tag(1, WireType.Varint)
    .uint32(1)
    .tag(100, WireType.EndGroup)
    .join()
    .finish();
  const { envelopes, problem } = decodeAll(framed(message));
  expect(problem).toBeUndefined();
  expect(envelopes[0]).toMatchObject({ seq: 4n, body: { case: "addPath", value: { requestId: 8, address: "host:1" } } });
});

// spec: CTRL-16
test("a known number with another type on the wire is a field of a newer version", () => {
  const message = new BinaryWriter().tag(1, WireType.LengthDelimited).string("text").tag(2, WireType.Varint).uint64(3n).finish();
  expect(decodeAll(framed(message)).envelopes).toEqual([{ seq: 0n, ack: 3n, body: { case: undefined } }]);
});

// spec: CTRL-16
test("a message of a newer version is an envelope without a known body", () => {
  const message = new BinaryWriter()
    .tag(1, WireType.Varint)
    .uint64(4n)
    .tag(2, WireType.Varint)
    .uint64(3n)
    .tag(1000, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.Varint)
    .uint32(8)
    .join()
    .finish();
  const { envelopes, problem } = decodeAll(framed(message));
  expect(problem).toBeUndefined();
  expect(envelopes[0]).toMatchObject({ seq: 4n, ack: 3n });
  expect(envelopes[0]?.body.case).toBeUndefined();
});

// spec: CTRL-17
test("the bytes of the messages do not change", () => {
  const golden: [Envelope, string][] = [
    [envelopeOf(partialBody("controlAck", {}), 0, 5), "051005a20100"],
    [envelopeOf(partialBody("refused", { code: 15, reason: "full", redirectPort: 4434 })), "0e9a010b" + "080f" + "120466756c6c" + "20d222"],
    [envelopeOf(partialBody("removePath", { requestId: 1, pathId: 2, graceMs: 500 }), 7, 3), "0e08071003a202070801100218f403"],
    [
      envelopeOf(partialBody("streamAnnounce", { streamId: 2048n * 5n, priority: 128, contributions: true, homeMember: 1 }), 300),
      "1008ac0282030a08805010800118012001",
    ],
    [
      envelopeOf(partialBody("pathStatus", { pathId: 1, state: "active", vouched: true, rttMs: 12.5, bytesSent: 2n ** 40n }), 1),
      "210801b2021c08013206616374697665400151000000000000294068808080808020",
    ],
    [
      envelopeOf(
        partialBody("rangeRequest", {
          requestId: 9,
          contentId: "c",
          version: "1",
          contentLength: 2n ** 33n,
          offset: 65536n,
          length: 131072n,
        }),
        2,
      ),
      "1b08029a041608091201631a01312080808080202880800430808008",
    ],
    [
      envelopeOf(partialBody("sourceReport", { memberId: 2, pathId: 5, contentId: "film", code: 0x1c, reason: "block 7" }), 4, 9),
      "1c08041009b2041508021005" + "1a0466696c6d" + "201c" + "2a07626c6f636b2037",
    ],
    [envelopeOf(partialBody("primary", { memberId: 300 }), 2, 1), "0a08021001ba020308ac02"],
    [
      envelopeOf(partialBody("goingAway", { graceMs: 500, replacements: ["b:1", `c:2#sha256:${"0a".repeat(32)}`] }), 1),
      `405a080192055510f4031a03623a311a4b633a32237368613235363a${"3061".repeat(32)}`,
    ],
    [envelopeOf(partialBody("sessionClose", { code: 42, reason: "done", application: true }), 3), "0f080382050a082a1204646f6e651801"],
  ];
  for (const [envelope, bytes] of golden) expect(hex(encodeEnvelope(EVERY_MESSAGE, envelope))).toBe(bytes);
});

// spec: CTRL-1
test("the examples of the specification are what the codec writes", () => {
  const page = readFileSync(new URL("../../../../docs/protocol/control.md", import.meta.url), "utf8");
  const credit = {
    streamWindowBytes: 262144n,
    sessionWindowBytes: 1048576n,
    maxBidirectionalStreams: 100,
    maxUnidirectionalStreams: 100,
  };
  const examples = [
    envelopeOf(partialBody("controlAck", {}), 0, 5),
    envelopeOf(partialBody("addPath", { requestId: 1, address: "b.example:4433", priority: 128 }), 7, 3),
    envelopeOf(partialBody("clientHello", { versions: [1], clientKey: Uint8Array.of(0x30, 0x59), credit, dialled: "a.example:4433" })),
    envelopeOf(partialBody("primary", { memberId: 2 }), 9, 4),
    envelopeOf(partialBody("goingAway", { reason: "maintenance", graceMs: 10_000, replacements: ["b.example:4433"] }), 6),
  ];
  // Lines of an example: bytes, two spaces or more, what they mean.
  const written = page
    .split(/^example \d:.*$/m)
    .slice(1)
    .map((text) => (text.split("```")[0] as string).replace(/ {2,}.*$/gm, "").replace(/\s/g, ""));
  expect(written).toEqual(examples.map((envelope) => hex(encodeEnvelope(EVERY_MESSAGE, envelope))));
});

// spec: CTRL-2
test("a decoded message does not change when the memory changes in which it arrived, a Buffer's included", () => {
  const sent = partialBody("rawReply", { requestId: 1, data: new Uint8Array(100).fill(5) });
  for (const arrived of [
    Buffer.from(encodeEnvelope(EVERY_MESSAGE, envelopeOf(sent, 1))),
    encodeEnvelope(EVERY_MESSAGE, envelopeOf(sent, 1)),
  ]) {
    const { envelopes } = decodeAll(arrived);
    arrived.fill(0);
    const [got] = envelopes;
    expect(got?.body.case === "rawReply" && got.body.value.data).toEqual(new Uint8Array(100).fill(5));
  }
});
