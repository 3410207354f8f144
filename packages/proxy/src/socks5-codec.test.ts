import fc from "fast-check";
import { isKwikError } from "@kwik/core";
import { expect, test } from "vitest";
import {
  encodeSocksDatagram,
  encodeSocksReply,
  parseGreeting,
  parsePassword,
  parseSocksDatagram,
  parseSocksRequest,
} from "./socks5-codec.ts";

const connect = (...rest: number[]): Uint8Array => Uint8Array.of(5, 1, 0, ...rest);
const name = [...Buffer.from("example.org")];

test.each([
  ["IPv4", connect(1, 10, 0, 0, 7, 0, 80), { host: "10.0.0.7", port: 80 }],
  ["IPv6", connect(4, ...new Array<number>(15).fill(0), 1, 1, 187), { host: "::1", port: 443 }],
  ["name", connect(3, name.length, ...name, 0, 80), { host: "example.org", port: 80 }],
])("a request with an address of kind %s is read, however it is cut", (_kind, bytes, address) => {
  for (let cut = 0; cut < bytes.length; cut += 1) expect(parseSocksRequest(bytes.subarray(0, cut))).toBeUndefined();
  const longer = Buffer.concat([bytes, Buffer.from("payload")]);
  expect(parseSocksRequest(longer)).toEqual({ value: { command: 1, address }, bytes: bytes.length });
});

test("greeting and password are read, however they are cut", () => {
  const greeting = Uint8Array.of(5, 2, 0, 2);
  const password = Uint8Array.of(1, 1, 0x61, 2, 0x62, 0x63);
  for (let cut = 0; cut < greeting.length; cut += 1) expect(parseGreeting(greeting.subarray(0, cut))).toBeUndefined();
  for (let cut = 0; cut < password.length; cut += 1) expect(parsePassword(password.subarray(0, cut))).toBeUndefined();
  expect(parseGreeting(greeting)).toEqual({ value: [0, 2], bytes: 4 });
  expect(parsePassword(password)).toEqual({ value: { name: "a", password: "bc" }, bytes: 6 });
});

test("whatever bytes come, they are read, incomplete, or refused with a code", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.constantFrom(parseGreeting, parsePassword, parseSocksRequest), (bytes, parse) => {
      try {
        const parsed = parse(bytes);
        if (parsed !== undefined) expect(parsed.bytes).toBeLessThanOrEqual(bytes.length);
      } catch (error) {
        expect(isKwikError(error) && error.code).toBe("PROTOCOL_VIOLATION");
      }
      parseSocksDatagram(bytes);
    }),
  );
});

test("SOCKS4 and HTTP are no greeting", () => {
  for (const bytes of [Uint8Array.of(4, 1), Buffer.from("GET / HTTP/1.1")]) expect(() => parseGreeting(bytes)).toThrow(/SOCKS version 5/);
});

test("replies and datagrams have the address in its own form", () => {
  expect(Buffer.from(encodeSocksReply(0, { host: "10.0.0.7", port: 80 })).toString("hex")).toBe("05000001" + "0a000007" + "0050");
  expect(Buffer.from(encodeSocksReply(2)).toString("hex")).toBe("05020001" + "00000000" + "0000");
  expect(Buffer.from(encodeSocksReply(0, { host: "::1", port: 80 })).toString("hex")).toBe(`05000004${"0".repeat(31)}10050`);
  for (const host of ["10.0.0.7", "2001:db8::7", "dns.example"]) {
    const bytes = encodeSocksDatagram({ host, port: 53 }, Buffer.from("hi"));
    expect(parseSocksDatagram(bytes)).toMatchObject({ address: { host, port: 53 } });
    const fragment = Uint8Array.from(bytes);
    fragment[2] = 1;
    expect(parseSocksDatagram(fragment)).toBeUndefined();
  }
});
