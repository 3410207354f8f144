import { webRules } from "@kwik/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FakePort } from "./fake-port.fixture.ts";
import { Http3Connection } from "./http3-connection.ts";
import { Http3Code } from "./http3-failure.ts";
import { encodeFieldSection } from "./qpack/field-section.ts";
import { encodeRecord } from "./record-reader.ts";
import { encodeVarint } from "./varint.ts";

const SETTINGS = encodeRecord(0x04, Uint8Array.of(0x33, 1));
const CONNECT = encodeRecord(
  0x01,
  encodeFieldSection([
    [":method", "CONNECT"],
    [":protocol", "webtransport"],
    [":scheme", "https"],
    [":authority", "a"],
    [":path", "/kwik"],
  ]),
);
const GET = encodeRecord(
  0x01,
  encodeFieldSection([
    [":method", "GET"],
    [":scheme", "https"],
    [":authority", "a"],
    [":path", "/"],
  ]),
);

function serve(): FakePort {
  const port = new FakePort();
  new Http3Connection(port, {
    ...webRules(),
    onLink: (link) =>
      link.attach({
        onCarrier: (carrier) => void (carrier.receiver = { onData: () => undefined, onEnd: () => undefined }),
        onDatagram: () => undefined,
        onClose: () => undefined,
        onBatchEnd: () => undefined,
      }),
  });
  return port;
}

/** A port with a session. */
function serveSession(): FakePort {
  const port = serve();
  port.receive(2, [0, ...SETTINGS]);
  port.receive(0, CONNECT);
  expect(port.stream(0).sent.length).toBeGreaterThan(0);
  return port;
}

const endless = (type: number): number[] => [...encodeVarint(type), ...encodeVarint(2 ** 40)];

/** What a client sends on a stream, and how the connection ends for it. */
const violations: readonly (readonly [name: string, id: number, bytes: readonly number[], code: number])[] = [
  ["a control stream without SETTINGS", 2, [0, 0x0d, 1, 0], Http3Code.missingSettings],
  ["SETTINGS without end", 2, [0, ...endless(0x04)], Http3Code.excessiveLoad],
  ["SETTINGS twice", 2, [0, ...SETTINGS, ...SETTINGS], Http3Code.frameUnexpected],
  ["a setting twice", 2, [0, ...encodeRecord(0x04, Uint8Array.of(0x33, 1, 0x33, 1))], Http3Code.settingsError],
  ["a setting of HTTP/2", 2, [0, ...encodeRecord(0x04, Uint8Array.of(2, 0))], Http3Code.settingsError],
  ["a setting out of range", 2, [0, ...encodeRecord(0x04, Uint8Array.of(0x33, 2))], Http3Code.settingsError],
  ["a setting that is cut off", 2, [0, ...encodeRecord(0x04, Uint8Array.of(0x33))], Http3Code.frameError],
  ["fields on the control stream", 2, [0, ...SETTINGS, ...GET], Http3Code.frameUnexpected],
  ["data on the control stream", 2, [0, ...SETTINGS, 0, 1, 1], Http3Code.frameUnexpected],
  ["a frame of HTTP/2", 2, [0, ...SETTINGS, 8, 0], Http3Code.frameUnexpected],
  ["a stream signal on the control stream", 2, [0, ...SETTINGS, 0x40, 0x41, 0], Http3Code.frameError],
  ["a push stream", 2, [1, 0], Http3Code.streamCreationError],
  ["insertions into the dynamic table", 2, [2, 0xc0, 1, 0x61], Http3Code.qpackEncoderStreamError],
  ["a capacity that was not offered", 2, [2, 0x3f, 0x01], Http3Code.qpackEncoderStreamError],
  ["acknowledged insertions", 2, [3, 0x01], Http3Code.qpackDecoderStreamError],
  ["a number without end", 2, [3, 0x7f, ...new Array<number>(20).fill(0xff)], Http3Code.qpackDecoderStreamError],
  ["data before the fields", 0, [0, 3, 1, 2, 3], Http3Code.frameUnexpected],
  ["settings on a request", 0, [...SETTINGS], Http3Code.frameUnexpected],
  ["a push promise", 0, [5, 1, 0], Http3Code.frameUnexpected],
  ["fields of the dynamic table", 0, [1, 3, 0, 0, 0x80], Http3Code.qpackDecompressionFailed],
  ["a stream of what cannot be a session", 0, [0x40, 0x41, 0x03], Http3Code.idError],
];

test.each(violations)("%s ends the connection", (_name, id, bytes, code) => {
  const port = serve();
  port.receive(id, bytes);
  expect(port.closed?.code).toBe(code);
  const slow = serve();
  for (const byte of bytes) slow.receive(id, [byte]);
  expect(slow.closed?.code).toBe(code);
});

test("a second control stream, and one that ends, end the connection", () => {
  const second = serve();
  second.receive(2, [0, ...SETTINGS]);
  second.receive(6, [0, ...SETTINGS]);
  expect(second.closed?.code).toBe(Http3Code.streamCreationError);
  const ended = serve();
  ended.receive(2, [0, ...SETTINGS], true);
  expect(ended.closed?.code).toBe(Http3Code.closedCriticalStream);
  const ours = serve();
  ours.stream(3).receiver?.onEnd();
  expect(ours.closed?.code).toBe(Http3Code.closedCriticalStream);
});

test("requests that are cut off: inside a frame the connection ends, before one the stream", () => {
  const inside = serve();
  inside.receive(0, CONNECT.subarray(0, 9), true);
  expect(inside.closed?.code).toBe(Http3Code.frameError);
  const before = serve();
  expect(before.receive(0, [0x21, 0], true).resetCode).toBe(Http3Code.requestIncomplete);
  expect(before.closed).toBeUndefined();
});

test("fields that are too large, announced or measured, are answered with 431", () => {
  const announced = serve();
  const stream = announced.receive(0, endless(0x01));
  expect(stream.text).toContain("431");
  for (let i = 0; i < 100; i += 1) announced.receive(0, new Uint8Array(100_000));
  const measured = serve();
  const small = measured.receive(0, encodeRecord(0x01, new Uint8Array(1_000).fill(0xd1, 2)));
  expect(small.text).toContain("431");
  expect([announced.closed, measured.closed]).toEqual([undefined, undefined]);
});

test("a client that asks without end is cut off", () => {
  const port = serve();
  for (let i = 0; i < 32; i += 1) port.receive(i * 4, GET, true);
  expect(port.closed).toBeUndefined();
  port.receive(400, GET, true);
  expect(port.closed?.code).toBe(Http3Code.excessiveLoad);
});

test("what is unknown is passed over: frames, streams, settings and capsules that mean nothing", () => {
  const grease = [...encodeRecord(0x1f * 7 + 0x21, new Uint8Array(50)), ...endless(0x1f * 8 + 0x21)];
  const port = serve();
  port.receive(2, [0, ...encodeRecord(0x04, Uint8Array.of(0x33, 1, 0x40, 0x5f, 7, ...new Array<number>(8).fill(0xff), 1)), ...grease]);
  expect(port.receive(6, [...encodeVarint(0x1f * 9 + 0x21), 1, 2, 3]).resetCode).toBe(Http3Code.streamCreationError);
  expect(port.receive(10, [0x40, 0x54, 0]).resetCode).toBe(Http3Code.streamCreationError);
  port.receive(0, [...encodeRecord(0x1f * 7 + 0x21, new Uint8Array(50)), ...CONNECT]);
  port.receive(
    0,
    encodeRecord(0x00, Uint8Array.of(...encodeRecord(0x1234, new Uint8Array(9)), ...encodeRecord(0x78ae, new Uint8Array(0)))),
  );
  expect(port.closed).toBeUndefined();
  expect(port.stream(0).sent.length).toBeGreaterThan(0);
});

test("a close capsule that is malformed, and fields on a session's stream, end the connection", () => {
  const short = serveSession();
  short.receive(0, encodeRecord(0x00, encodeRecord(0x2843, new Uint8Array(3))));
  expect(short.closed?.code).toBe(Http3Code.messageError);
  const long = serveSession();
  long.receive(0, encodeRecord(0x00, encodeRecord(0x2843, new Uint8Array(1_100))));
  expect(long.closed?.code).toBe(Http3Code.messageError);
  const fields = serveSession();
  fields.receive(0, GET);
  expect(fields.closed?.code).toBe(Http3Code.frameUnexpected);
});

test("carriers of no session are refused, and a session needs datagrams", () => {
  const early = serve();
  expect(early.receive(0, [0x40, 0x41, 0, 1]).resetCode).toBe(Http3Code.webTransportBufferedStreamRejected);
  const other = serveSession();
  expect(other.receive(4, [0x40, 0x41, 8, 1]).resetCode).toBe(Http3Code.webTransportSessionGone);
  expect(other.closed).toBeUndefined();
  const without = serve();
  without.receive(2, [0, 0x04, 0]);
  expect(without.receive(0, CONNECT).text).toContain("datagrams");
});

test("no bytes on any stream throw, and those that follow a failure change nothing", () => {
  const start = fc.constantFrom([], [0], [0, ...SETTINGS], [2], [3], [...CONNECT], [0x40, 0x41, 0]);
  const delivery = fc.tuple(fc.constantFrom(0, 2, 4, 6, 8, 10), start, fc.uint8Array({ maxLength: 40 }), fc.boolean());
  fc.assert(
    fc.property(fc.boolean(), fc.array(delivery, { maxLength: 12 }), (hasSession, deliveries) => {
      const port = hasSession ? serveSession() : serve();
      for (const [id, begin, bytes, fin] of deliveries) port.receive(id, [...begin, ...bytes], fin);
      if (port.closed !== undefined) expect(Object.values<number>(Http3Code)).toContain(port.closed.code);
    }),
    { numRuns: 1_000 },
  );
});
