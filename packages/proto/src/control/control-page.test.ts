import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { EnvelopeSchema } from "./protobuf-es.fixture.ts";

const page = readFileSync(new URL("../../../../docs/protocol/control.md", import.meta.url), "utf8");
const messages = EnvelopeSchema.oneofs.flatMap((oneof) => oneof.fields);

// spec: CTRL-17
test("the specification's table of messages is the schema's", () => {
  const rows = [...page.matchAll(/^\| `([A-Z]\w+)` \| (\d+) \|/gm)].map(([, name, number]) => [name, Number(number)]);
  expect(rows).toEqual(messages.map((field) => [field.message?.name, field.number]));
});

// spec: CTRL-17
test("each message has a number of its kind's range", () => {
  const ranges: Readonly<Record<string, readonly string[]>> = {
    path: ["ClientHello", "Join", "HelloReply", "Refused", "ControlAck"],
    paths: ["AddPath", "AddPathResult", "TicketRequest", "TicketReply", "RemovePath", "RemovePathResult", "PathStatus", "Primary"],
    streams: ["StreamAnnounce", "RawMessage", "RawReply"],
    content: ["ContentOffer", "ContentHashes", "ContentDone", "RangeRequest", "RangeCancel", "RangeRefused", "SourceReport"],
    end: ["SessionClose", "SessionCloseAck", "GoingAway"],
  };
  const expected = Object.values(ranges).flatMap((names, index) => names.map((name) => [name, index + 1]));
  expect(messages.map((field) => [field.message?.name, Math.floor(field.number / 16)])).toEqual(expected);
});
