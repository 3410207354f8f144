import fc from "fast-check";
import { isKwikError } from "@kwik/core";
import { expect, test } from "vitest";
import { decodeTunnelAnswer, encodeTunnelAnswer } from "./answer-codec.ts";
import { decodePacket, encodePacket } from "./packet-codec.ts";
import { decodeTunnelRequest, encodeTunnelRequest, requestBodyBytes } from "./request-codec.ts";

const host = fc.stringMatching(/^[0-9A-Za-z._:-]{1,255}$/);
const port = fc.integer({ min: 1, max: 65_535 });

test("what is written is read again", () => {
  fc.assert(
    fc.property(host, port, fc.uint8Array({ maxLength: 40 }), (name, number, payload) => {
      const target = { kind: "tcp", host: name, port: number } as const;
      const request = encodeTunnelRequest(target);
      expect(decodeTunnelRequest(request.subarray(0, 6), request.subarray(6))).toEqual(target);
      const answer = encodeTunnelAnswer({ connected: true, bound: { host: name, port: number } });
      expect(decodeTunnelAnswer(answer.subarray(0, 3), answer.subarray(3))).toEqual({
        connected: true,
        bound: { host: name, port: number },
      });
      const packet = { address: { host: name, port: number }, payload };
      expect(decodePacket(encodePacket(7n, packet))?.packet).toEqual(packet);
    }),
  );
});

// spec: TUN-2
test("whatever a body holds, it is a target or a coded error, and fields of later versions are passed over", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 300 }), (kind, body) => {
      const head = new Uint8Array([0x4b, 0x54, 1, kind, body.length >> 8, body.length & 255]);
      expect(requestBodyBytes(head)).toBe(body.length);
      try {
        decodeTunnelRequest(head, body);
      } catch (error) {
        expect(isKwikError(error) && error.code).toMatch(/^(PROTOCOL_VIOLATION|NOT_SUPPORTED)$/);
      }
    }),
  );
  const longer = new Uint8Array([...encodeTunnelRequest({ kind: "tcp", host: "a", port: 1 }), 1, 2, 3]);
  expect(decodeTunnelRequest(longer.subarray(0, 6), longer.subarray(6))).toEqual({ kind: "tcp", host: "a", port: 1 });
});

test.each([
  ["another stream", [0x47, 0x45, 0x54, 0x20, 0, 0], "PROTOCOL_VIOLATION"],
  ["another version", [0x4b, 0x54, 2, 0, 0, 0], "VERSION"],
])("%s is no request", (_name, head, code) => {
  expect(() => requestBodyBytes(new Uint8Array(head))).toThrow(expect.objectContaining({ code }));
});

test.each([
  ["an empty host", [0, 0, 80]],
  ["port 0", [1, 0x61, 0, 0]],
  ["a host with a blank", [3, 0x61, 0x20, 0x62, 0, 80]],
  ["a cut host", [9, 0x61]],
  ["a cut port", [1, 0x61, 0]],
  ["no body", []],
  ["a host that is not UTF-8", [1, 0xff, 0, 80]],
])("a TCP target with %s is refused", (_name, body) => {
  expect(() => decodeTunnelRequest(new Uint8Array([0x4b, 0x54, 1, 0, 0, body.length]), new Uint8Array(body))).toThrow(
    expect.objectContaining({ code: "PROTOCOL_VIOLATION" }),
  );
});

test.each([
  { host: "", port: 1 },
  { host: "a b", port: 1 },
  { host: "a".repeat(256), port: 1 },
  { host: "a", port: 0 },
  { host: "a", port: 65_536 },
])("the target %j cannot be written", (address) => {
  expect(() => encodeTunnelRequest({ kind: "tcp", ...address })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

// spec: TUN-4
test("a status of a later version counts as failed, and a long reason is cut between characters", () => {
  expect(decodeTunnelAnswer(new Uint8Array([0x7f, 0, 1]), new Uint8Array([0]))).toEqual({
    connected: false,
    refusal: "failed",
    reason: "",
  });
  const bytes = encodeTunnelAnswer({ connected: false, refusal: "limit", reason: "ä".repeat(200) });
  expect(decodeTunnelAnswer(bytes.subarray(0, 3), bytes.subarray(3))).toEqual({
    connected: false,
    refusal: "limit",
    reason: "ä".repeat(127),
  });
});

// spec: TUN-9
test("a datagram that is none of a tunnel is nothing, whatever its bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (data) => void decodePacket(data)));
  expect(decodePacket(new Uint8Array(3))).toBeUndefined();
  expect(decodePacket(new Uint8Array([0x55, ...new Uint8Array(8), 1, 0x61, 0, 0]))).toBeUndefined();
});
