import { expect, test } from "vitest";
import { proxyHeader } from "./proxy-protocol.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const SIGNATURE = "0d0a0d0a000d0a515549540a";

test.each([
  ["10.0.0.7", "192.168.1.2", "2111000c" + "0a000007" + "c0a80102" + "c35001bb"],
  ["2001:db8::7", "::1", "21210024" + "20010db8000000000000000000000007" + "00000000000000000000000000000001" + "c35001bb"],
  ["10.0.0.7", "::1", "21210024" + "00000000000000000000ffff0a000007" + "00000000000000000000000000000001" + "c35001bb"],
  ["::ffff:10.0.0.7", "fe80::1%eth0", "21210024" + "00000000000000000000ffff0a000007" + "fe800000000000000000000000000001" + "c35001bb"],
  ["1:2:3:4:5:6:7:8", "::", "21210024" + "00010002000300040005000600070008" + "00000000000000000000000000000000" + "c35001bb"],
])("the header of a client at %s for a target at %s is that of the PROXY protocol", (source, destination, rest) => {
  expect(hex(proxyHeader({ host: source, port: 50_000 }, { host: destination, port: 443 }))).toBe(SIGNATURE + rest);
});

test("a client that is not known is not made up", () => {
  expect(hex(proxyHeader(undefined, { host: "10.0.0.1", port: 1 }))).toBe(`${SIGNATURE}20000000`);
});
