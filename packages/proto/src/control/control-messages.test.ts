import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { CLIENT_MESSAGES } from "./client-messages.ts";
import { type ControlKind, envelopeOf } from "./control-body.ts";
import { controlBodyBytes, readEnvelope, writeEnvelope } from "./control-messages.ts";
import { EVERY_MESSAGE } from "./every-message.ts";
import { CONTROL_KINDS, partialBody } from "./partial-body.ts";

const sentByClients = Object.keys(CLIENT_MESSAGES.sent) as ControlKind[];
const receivedByClients = Object.values(CLIENT_MESSAGES.received).map(([kind]) => kind);

test("a client knows each message in the directions that it goes, and no other", () => {
  for (const kind of CONTROL_KINDS) {
    const envelope = envelopeOf(partialBody(kind, {}), 7, 8);
    const bytes = writeEnvelope(EVERY_MESSAGE, envelope);
    const read = readEnvelope(CLIENT_MESSAGES, bytes);
    if (receivedByClients.includes(kind)) expect(read).toMatchObject(envelope);
    else expect(read).toMatchObject({ code: ErrorCode.PROTOCOL_VIOLATION });
    if (sentByClients.includes(kind)) expect(writeEnvelope(CLIENT_MESSAGES, envelope)).toEqual(bytes);
    else expect(() => writeEnvelope(CLIENT_MESSAGES, envelope)).toThrow(kind);
  }
  // What has no direction would be lost in silence.
  expect(CONTROL_KINDS.filter((kind) => !sentByClients.includes(kind) && !receivedByClients.includes(kind))).toEqual([]);
});

// spec: CTRL-8
test("what arrived counts as its sender counted it, also what this version does not know", () => {
  const body = partialBody("rawReply", { requestId: 3, data: new Uint8Array(1000) });
  const bytes = controlBodyBytes(EVERY_MESSAGE, body);
  for (const [seq, ack] of [
    [0, 0],
    [1, 300],
    [2 ** 40, 2 ** 20],
  ] as const)
    expect(readEnvelope(EVERY_MESSAGE, writeEnvelope(EVERY_MESSAGE, envelopeOf(body, seq, ack)))).toMatchObject({ bodyBytes: bytes });
  const ofLater = new BinaryWriter().tag(2000, WireType.LengthDelimited).bytes(new Uint8Array(50)).finish();
  const both = Uint8Array.from([...writeEnvelope(EVERY_MESSAGE, envelopeOf(body, 5)), ...ofLater]);
  expect(readEnvelope(EVERY_MESSAGE, both)).toMatchObject({ bodyBytes: bytes + ofLater.length });
});
