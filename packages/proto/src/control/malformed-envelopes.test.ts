import type { DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { envelopeOf } from "./control-body.ts";
import { partialBody } from "./partial-body.ts";
import { encodeEnvelope } from "./control-codec.ts";
import { EVERY_MESSAGE } from "./every-message.ts";
import { decodeAll, framed } from "./decode-all.fixture.ts";
import { EnvelopeSchema } from "./protobuf-es.fixture.ts";

const NO_CREDIT = { streamWindowBytes: 0n, sessionWindowBytes: 0n, maxBidirectionalStreams: 0, maxUnidirectionalStreams: 0 };

/** What is wrong with these bytes of protobuf. */
function problemOf(message: Iterable<number>): ErrorCode | undefined {
  return decodeAll(framed(Uint8Array.from(message))).problem?.code;
}

test("a message that ends too soon inside is FRAME_ENCODING or another message, never an exception", () => {
  const bytes = encodeEnvelope(
    EVERY_MESSAGE,
    envelopeOf(partialBody("helloReply", { features: ["a", "b"], credit: { ...NO_CREDIT, streamWindowBytes: 300n } }), 0, 0),
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

// spec: CTRL-3
test("what is no tag is refused in the envelope, in a message and in its credit, and is not read as anything else", () => {
  const malformed = [
    [0x00],
    [0x02, 0x00],
    [0x06, 0x00],
    [0x0f, 0x00],
    [0x0c],
    // A group that another number ends, and one that nothing ends.
    [0xa3, 0x06, 0xac, 0x06],
    [0xa3, 0x06],
    // Tags of more than 32 bits: that of `seq` with a bit too many, and one without end.
    [0x88, 0x80, 0x80, 0x80, 0x10, 0x05],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  ];
  for (const bad of malformed) {
    // What follows would be read if reading went on outside.
    const tail = [0x08, 0x05];
    const inCredit = [0x22, bad.length + tail.length, ...bad, ...tail];
    const places = [
      [...bad, ...tail],
      [0x82, 0x01, bad.length + tail.length, ...bad, ...tail],
      [0x82, 0x01, inCredit.length, ...inCredit],
    ];
    for (const place of places) expect(problemOf(place)).toBe(ErrorCode.FRAME_ENCODING);
  }
});

// spec: CTRL-3
test("a length that reaches beyond the message is refused wherever it is", () => {
  const unknown = [0xaa, 0x06];
  const fields = { versions: [0x0a], clientKey: [0x1a], credit: [0x22], token: [0x2a], unknown };
  const clientHello = [0x82, 0x01];
  // Longer by a byte, and by all that fits; nothing follows.
  for (const length of [[0x01], [0xff, 0xff, 0xff, 0xff, 0x0f]]) {
    expect(problemOf([...clientHello, ...length])).toBe(ErrorCode.FRAME_ENCODING);
    expect(problemOf([...unknown, ...length])).toBe(ErrorCode.FRAME_ENCODING);
    for (const [name, tag] of Object.entries(fields)) {
      const message = [...clientHello, tag.length + length.length, ...tag, ...length];
      expect(problemOf(message), name).toBe(ErrorCode.FRAME_ENCODING);
    }
  }
});

// spec: CTRL-3
test("of a field or a body that comes twice the later one counts", () => {
  const once = (fields: Parameters<typeof partialBody<"clientHello">>[1]): Uint8Array =>
    encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("clientHello", fields))).subarray(1);
  const twice = [
    ...once({ token: "a", credit: { ...NO_CREDIT, streamWindowBytes: 7n } }),
    ...once({ agent: "b", credit: { ...NO_CREDIT, sessionWindowBytes: 8n } }),
  ];
  const { envelopes } = decodeAll(framed(Uint8Array.from(twice)));
  expect(envelopes).toEqual([envelopeOf(partialBody("clientHello", { agent: "b", credit: { ...NO_CREDIT, sessionWindowBytes: 8n } }))]);
});

test("deep nesting of what is not known is bounded", () => {
  const groups = (depth: number): Uint8Array =>
    Uint8Array.from([...Array<number>(depth).fill(0x7b), ...Array<number>(depth).fill(0x7c), 0x08, 0x05]);
  expect(problemOf(groups(90))).toBeUndefined();
  expect(problemOf(groups(40_000))).toBe(ErrorCode.FRAME_ENCODING);
});

// The decoder has no guard against nesting of its own.
test("no message of the schema contains itself", () => {
  const depthOf = (schema: DescMessage, within: readonly DescMessage[]): number => {
    expect(within, `${schema.name} contains itself`).not.toContain(schema);
    const inner = schema.fields.map((field) => (field.message === undefined ? 0 : depthOf(field.message, [...within, schema])));
    return 1 + Math.max(0, ...inner);
  };
  expect(depthOf(EnvelopeSchema, [])).toBe(3);
});
