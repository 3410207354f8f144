import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { envelopeOf } from "./control-body.ts";
import { CONTROL_KINDS, partialBody } from "./partial-body.ts";
import type { ControlKind, Envelope } from "./control-body.ts";
import { encodeEnvelope } from "./control-codec.ts";
import { EVERY_MESSAGE } from "./every-message.ts";
import { decodeAll, framed } from "./decode-all.fixture.ts";
import { decodeWithProtobufEs, encodeWithProtobufEs, EnvelopeSchema } from "./protobuf-es.fixture.ts";

/** The messages that an envelope may carry, as fields of its oneof. */
const bodyFields: readonly DescField[] = EnvelopeSchema.fields.filter((field) => field.oneof !== undefined);

/** Any body of one kind, with every field set. */
function anyBodyOf(field: DescField): fc.Arbitrary<Envelope["body"]> {
  if (field.message === undefined) throw new Error(`${field.localName} is not a message`);
  return anyMessage(field.message).map((value) => ({ case: field.localName, value }) as unknown as Envelope["body"]);
}

/** Any envelope that the protocol allows, also one without a body. */
const anyEnvelope: fc.Arbitrary<Envelope> = fc.record({
  seq: fc.maxSafeNat().map(BigInt),
  ack: fc.maxSafeNat().map(BigInt),
  body: fc.oneof(fc.constant({ case: undefined }), ...bodyFields.map(anyBodyOf)),
});

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

/** A field of a newer version: a number that no message has, with any type on the wire. */
const anyUnknownField: fc.Arbitrary<Uint8Array> = fc
  .record({ number: fc.integer({ min: 500, max: 2 ** 29 - 1 }), kind: fc.nat(4), bytes: fc.uint8Array({ maxLength: 20 }) })
  .map(({ number, kind, bytes }) => {
    const writer = new BinaryWriter();
    if (kind === 0) return writer.tag(number, WireType.Varint).uint32(bytes.length).finish();
    if (kind === 1) return writer.tag(number, WireType.Bit64).fixed64(7n).finish();
    if (kind === 2) return writer.tag(number, WireType.LengthDelimited).bytes(bytes).finish();
    if (kind === 3) return writer.tag(number, WireType.Bit32).fixed32(7).finish();
    return writer.tag(number, WireType.StartGroup).tag(1, WireType.LengthDelimited).bytes(bytes).tag(number, WireType.EndGroup).finish();
  });

/** The bytes of protobuf of an envelope, without their length. */
function encode(envelope: Envelope): Uint8Array {
  const framed = encodeEnvelope(EVERY_MESSAGE, envelope);
  const prefixBytes = 1 << ((framed[0] as number) >> 6);
  return framed.subarray(prefixBytes);
}

test("the constructors know every message of the schema", () => {
  expect([...CONTROL_KINDS].sort()).toEqual(bodyFields.map((field) => field.localName).sort());
});

for (const field of bodyFields) {
  test(`${field.localName} survives encoding and decoding with every field set`, () => {
    fc.assert(
      fc.property(anyBodyOf(field), fc.maxSafeNat(), (body, seq) => {
        const envelope = { seq: BigInt(seq), ack: 7n, body };
        const { envelopes, problem } = decodeAll(encodeEnvelope(EVERY_MESSAGE, envelope));
        expect(problem).toBeUndefined();
        expect(envelopes).toEqual([envelope]);
      }),
      { numRuns: 30 },
    );
  });
}

// spec: CTRL-1
test("a sequence of envelopes is the same however its bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(anyEnvelope, { maxLength: 6 }), fc.array(fc.nat(2000), { maxLength: 30 }), (envelopes, cuts) => {
      const bytes = Buffer.concat(envelopes.map((envelope) => encodeEnvelope(EVERY_MESSAGE, envelope)));
      const decoded = decodeAll(
        bytes,
        cuts.map((cut) => Math.min(cut, bytes.length)),
      );
      expect(decoded.problem).toBeUndefined();
      expect(decoded.envelopes).toEqual(envelopes);
    }),
    { numRuns: 200 },
  );
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
      const bytes = encodeEnvelope(EVERY_MESSAGE, envelope);
      for (const [at, value] of damages) bytes[at % bytes.length] = value;
      const { problem } = decodeAll(bytes);
      if (problem !== undefined) expect([ErrorCode.FRAME_ENCODING, ErrorCode.TOO_LARGE]).toContain(problem.code);
    }),
    { numRuns: 1000 },
  );
});

test("the codec writes byte for byte what protobuf-es writes, and reads what it reads", () => {
  fc.assert(
    fc.property(anyEnvelope, (envelope) => {
      const bytes = encode(envelope);
      expect(bytes).toEqual(encodeWithProtobufEs(envelope));
      expect(decodeAll(framed(bytes)).envelopes).toEqual([decodeWithProtobufEs(bytes)]);
    }),
    { numRuns: 1000 },
  );
});

test("a message of which some fields are left out has zero values there, which are not written", () => {
  for (const field of bodyFields) {
    const envelope = envelopeOf(partialBody(field.localName as ControlKind, {}));
    expect(encode(envelope)).toEqual(encodeWithProtobufEs(envelope));
    expect(decodeWithProtobufEs(encode(envelope))).toEqual(envelope);
    expect(encode(envelope).length).toBe(3);
  }
  expect(partialBody("removePath", { requestId: 1, pathId: undefined }).value).toEqual({ requestId: 1, pathId: 0, graceMs: 0 });
});

// spec: CTRL-16
test("fields of a newer version before and behind those that are known change nothing", () => {
  fc.assert(
    fc.property(anyEnvelope, anyUnknownField, anyUnknownField, (envelope, before, behind) => {
      const bytes = Uint8Array.from([...before, ...encode(envelope), ...behind]);
      expect(decodeAll(framed(bytes))).toEqual({ envelopes: [envelope], problem: undefined });
    }),
    { numRuns: 300 },
  );
});
