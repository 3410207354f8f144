import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { create, equals, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";
import { CONTROL_KINDS, body, envelopeOf } from "./control-body.ts";
import type { Envelope } from "./control-body.ts";
import { ControlDecoder, encodeEnvelope } from "./control-codec.ts";
import { EnvelopeSchema } from "./gen/kwik/v1/control_pb.ts";

const limits = { maxControlMessageBytes: 100_000 };

function decodeAll(bytes: Uint8Array, cuts: readonly number[] = []): { envelopes: Envelope[]; problem: ProtocolFailure | undefined } {
  const decoder = new ControlDecoder(limits);
  const envelopes: Envelope[] = [];
  let problem: ProtocolFailure | undefined;
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i += 1) {
    problem = decoder.push(bytes.subarray(edges[i - 1], edges[i]));
    for (let next = decoder.poll(); next !== undefined; next = decoder.poll()) envelopes.push(next);
  }
  return { envelopes, problem };
}

function framed(message: Uint8Array): Uint8Array {
  expect(message.length).toBeLessThan(16384);
  return Uint8Array.from([0x40 | (message.length >> 8), message.length & 0xff, ...message]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

const bodyFields = EnvelopeSchema.fields.filter((field) => field.oneof !== undefined);

function anyMessage(schema: DescMessage): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(schema.fields.map((field) => [field.localName, anyField(field)])));
}

function anyField(field: DescField): fc.Arbitrary<unknown> {
  if (field.fieldKind === "message") return anyMessage(field.message);
  if (field.fieldKind === "list" && field.listKind === "scalar") return fc.array(anyScalar(field.scalar), { maxLength: 4 });
  if (field.fieldKind === "scalar") return anyScalar(field.scalar);
  throw new Error(`no arbitrary for ${String(field)}`);
}

function anyScalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return fc.string({ unit: "binary" });
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 80 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT32:
      return fc.nat(0xffffffff);
    case ScalarType.UINT64:
      return fc.maxSafeNat().map(BigInt);
    case ScalarType.DOUBLE:
      return fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
    default:
      throw new Error(`the schema uses a type that the codec does not check: ${ScalarType[type]}`);
  }
}

function anyBodyOf(field: DescField): fc.Arbitrary<Envelope["body"]> {
  const schema = field.message as DescMessage;
  return anyMessage(schema).map((fields) => ({ case: field.localName, value: create(schema, fields) }) as unknown as Envelope["body"]);
}

const anyEnvelope: fc.Arbitrary<Envelope> = fc
  .record({
    seq: fc.maxSafeNat().map(BigInt),
    ack: fc.maxSafeNat().map(BigInt),
    body: fc.oneof(fc.constant({ case: undefined }), ...bodyFields.map(anyBodyOf)),
  })
  .map((init) => create(EnvelopeSchema, init as Envelope));

test("the constructors know every message of the schema", () => {
  expect([...CONTROL_KINDS].sort()).toEqual(bodyFields.map((field) => field.localName).sort());
});

for (const field of bodyFields) {
  test(`${field.localName} survives encoding and decoding with every field set`, () => {
    fc.assert(
      fc.property(anyBodyOf(field), fc.maxSafeNat(), (body, seq) => {
        const envelope = create(EnvelopeSchema, { seq: BigInt(seq), ack: 7n, body });
        const { envelopes, problem } = decodeAll(encodeEnvelope(envelope));
        expect(problem).toBeUndefined();
        expect(envelopes).toHaveLength(1);
        expect(equals(EnvelopeSchema, envelopes[0] as Envelope, envelope)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
}

// spec: CTRL-1
test("a sequence of envelopes is the same however its bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(anyEnvelope, { maxLength: 6 }), fc.array(fc.nat(2000), { maxLength: 30 }), (envelopes, cuts) => {
      const bytes = Buffer.concat(envelopes.map(encodeEnvelope));
      const decoded = decodeAll(
        bytes,
        cuts.map((cut) => Math.min(cut, bytes.length)),
      );
      expect(decoded.problem).toBeUndefined();
      expect(decoded.envelopes).toHaveLength(envelopes.length);
      for (const [index, envelope] of envelopes.entries()) {
        expect(equals(EnvelopeSchema, decoded.envelopes[index] as Envelope, envelope)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

// spec: CTRL-2
test("a large message arrives whole, byte by byte and in one piece", () => {
  const data = new Uint8Array(70_000).map((_, index) => index);
  const bytes = encodeEnvelope(envelopeOf(body("rawReply", { requestId: 1, data }), 1));
  for (const cuts of [[], Array.from(bytes.keys())]) {
    const { envelopes, problem } = decodeAll(bytes, cuts);
    expect(problem).toBeUndefined();
    expect(envelopes[0]?.body).toMatchObject({ case: "rawReply", value: { requestId: 1, data } });
  }
});

test("decoded byte fields do not hold on to the bytes that were pushed", () => {
  const bytes = encodeEnvelope(envelopeOf(body("rawReply", { data: Uint8Array.of(1, 2, 3) }), 1));
  const buffer = new Uint8Array(bytes);
  const decoder = new ControlDecoder(limits);
  expect(decoder.push(buffer)).toBeUndefined();
  buffer.fill(0xff);
  expect(decoder.poll()?.body.value).toMatchObject({ data: Uint8Array.of(1, 2, 3) });
});

test("a beginning of a message is neither an envelope nor a failure", () => {
  const bytes = encodeEnvelope(envelopeOf(body("ticketReply", { requestId: 3, ticket: "x".repeat(100), reason: "ö" }), 9, 4));
  for (let length = 0; length < bytes.length; length += 1) {
    expect(decodeAll(bytes.subarray(0, length))).toEqual({ envelopes: [], problem: undefined });
  }
});

test("a message that ends too soon inside is FRAME_ENCODING or another message, never an exception", () => {
  const bytes = encodeEnvelope(
    envelopeOf(body("helloReply", { features: ["a", "b"], credit: { streamWindowBytes: 300n } }), 0, 0),
  ).subarray(1);
  let refused = 0;
  for (let length = 0; length < bytes.length; length += 1) {
    const { envelopes, problem } = decodeAll(framed(bytes.subarray(0, length)));
    if (problem === undefined) expect(envelopes).toHaveLength(1);
    else {
      expect(problem.code).toBe(ErrorCode.FRAME_ENCODING);
      refused += 1;
    }
  }
  expect(refused).toBe(bytes.length - 1);
});

test("random bytes are envelopes or a coded failure, never an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, frame) => {
      const { problem } = decodeAll(frame ? framed(bytes) : bytes);
      if (problem !== undefined) expect([ErrorCode.FRAME_ENCODING, ErrorCode.TOO_LARGE]).toContain(problem.code);
    }),
    { numRuns: 2000 },
  );
});

test("damaged messages are envelopes or a coded failure, never an exception", () => {
  fc.assert(
    fc.property(anyEnvelope, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), (envelope, damages) => {
      const bytes = encodeEnvelope(envelope);
      for (const [at, value] of damages) bytes[at % bytes.length] = value;
      const { problem } = decodeAll(bytes);
      if (problem !== undefined) expect([ErrorCode.FRAME_ENCODING, ErrorCode.TOO_LARGE]).toContain(problem.code);
    }),
    { numRuns: 1000 },
  );
});

// spec: CTRL-2
test("a length above the limit is refused before any byte of the message", () => {
  expect(decodeAll(Uint8Array.of(0x80, 0x01, 0x86, 0xa1)).problem?.code).toBe(ErrorCode.TOO_LARGE);
  expect(decodeAll(Uint8Array.of(0x80, 0x01, 0x86, 0xa0)).problem).toBeUndefined();
  expect(decodeAll(new Uint8Array(8).fill(0xff)).problem?.code).toBe(ErrorCode.TOO_LARGE);
});

// spec: CTRL-1
test("a length may be written longer than necessary", () => {
  const message = encodeEnvelope(envelopeOf(body("sessionCloseAck", {}), 5)).subarray(1);
  for (const prefix of [
    [0x40, message.length],
    [0x80, 0, 0, message.length],
    [0xc0, 0, 0, 0, 0, 0, 0, message.length],
  ]) {
    expect(decodeAll(Uint8Array.from([...prefix, ...message])).envelopes.map((envelope) => envelope.seq)).toEqual([5n]);
  }
});

test("after a failure the decoder stays failed, and what came before it is kept", () => {
  const decoder = new ControlDecoder(limits);
  const good = encodeEnvelope(envelopeOf(body("sessionCloseAck", {}), 1));
  const problem = decoder.push(Uint8Array.from([...good, 0x01, 0xff, ...good]));
  expect(problem?.code).toBe(ErrorCode.FRAME_ENCODING);
  expect(decoder.push(good)).toBe(problem);
  expect(decoder.poll()?.seq).toBe(1n);
  expect(decoder.poll()).toBeUndefined();
});

// spec: CTRL-3
test("numbers that cannot be exact, and fractions that are no measure, are refused", () => {
  const bad: Envelope[] = [
    create(EnvelopeSchema, { seq: 2n ** 53n }),
    create(EnvelopeSchema, { ack: 2n ** 64n - 1n }),
    envelopeOf(body("contentOffer", { length: 2n ** 53n }), 1),
    envelopeOf(body("clientHello", { credit: { sessionWindowBytes: 2n ** 60n } })),
    envelopeOf(body("pathStatus", { rttMs: Number.NaN }), 1),
    envelopeOf(body("pathStatus", { receiveRate: Number.POSITIVE_INFINITY }), 1),
    envelopeOf(body("pathStatus", { rttMs: -1 }), 1),
  ];
  for (const envelope of bad) expect(decodeAll(encodeEnvelope(envelope)).problem?.code).toBe(ErrorCode.FRAME_ENCODING);
  expect(decodeAll(encodeEnvelope(create(EnvelopeSchema, { seq: 2n ** 53n - 1n }))).problem).toBeUndefined();
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
  const odd = encodeEnvelope(envelopeOf(body("sessionClose", { reason: "a\ud800b" }), 1));
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
    [envelopeOf(body("controlAck", {}), 0, 5), "051005a20100"],
    [envelopeOf(body("removePath", { requestId: 1, pathId: 2, graceMs: 500 }), 7, 3), "0e08071003a202070801100218f403"],
    [
      envelopeOf(body("streamAnnounce", { streamId: 2048n * 5n, priority: 128, contributions: true, homeMember: 1 }), 300),
      "1008ac0282030a08805010800118012001",
    ],
    [
      envelopeOf(body("pathStatus", { pathId: 1, state: "active", vouched: true, rttMs: 12.5, bytesSent: 2n ** 40n }), 1),
      "210801b2021c08013206616374697665400151000000000000294068808080808020",
    ],
    [
      envelopeOf(
        body("rangeRequest", { requestId: 9, contentId: "c", version: "1", contentLength: 2n ** 33n, offset: 65536n, length: 131072n }),
        2,
      ),
      "1b08029a041608091201631a01312080808080202880800430808008",
    ],
    [envelopeOf(body("sessionClose", { code: 42, reason: "done", application: true }), 3), "0f080382050a082a1204646f6e651801"],
  ];
  for (const [envelope, bytes] of golden) expect(hex(encodeEnvelope(envelope))).toBe(bytes);
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
    envelopeOf(body("controlAck", {}), 0, 5),
    envelopeOf(body("addPath", { requestId: 1, address: "b.example:4433", priority: 128 }), 7, 3),
    envelopeOf(body("clientHello", { versions: [1], clientKey: Uint8Array.of(0x30, 0x59), credit, dialled: "a.example:4433" })),
  ];
  // Lines of an example: bytes, two spaces or more, what they mean.
  const written = page
    .split(/^example \d:.*$/m)
    .slice(1)
    .map((text) => (text.split("```")[0] as string).replace(/ {2,}.*$/gm, "").replace(/\s/g, ""));
  expect(written).toEqual(examples.map((envelope) => hex(encodeEnvelope(envelope))));
});

// spec: CTRL-2
test("a decoded message does not change when the memory changes in which it arrived, a Buffer's included", () => {
  const sent = body("rawReply", { requestId: 1, data: new Uint8Array(100).fill(5) });
  for (const arrived of [Buffer.from(encodeEnvelope(envelopeOf(sent, 1))), encodeEnvelope(envelopeOf(sent, 1))]) {
    const { envelopes } = decodeAll(arrived);
    arrived.fill(0);
    const [got] = envelopes;
    expect(got?.body.case === "rawReply" && got.body.value.data).toEqual(new Uint8Array(100).fill(5));
  }
});
