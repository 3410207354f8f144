import { expect, test } from "vitest";
import { formatAddress, formatServer, parseAddress, parseTransportName } from "./address.ts";

test.each([
  ["a.example", { host: "a.example", port: 4433 }, "a.example:4433"],
  ["kwik://a.example:5000/file", { host: "a.example", port: 5000 }, "a.example:5000"],
  ["KWIK://[::1]:7", undefined, ""],
  ["kwik://[::1]:7", { host: "::1", port: 7 }, "[::1]:7"],
  ["kwik+tcp://[::1]:7", { host: "::1", port: 7, transport: "tcp" }, "kwik+tcp://[::1]:7"],
  ["kwik+quic://a.example", { host: "a.example", port: 4433, transport: "quic" }, "kwik+quic://a.example:4433"],
  ["kwik+ws://a.example:443", { host: "a.example", port: 443, transport: "websocket" }, "kwik+ws://a.example:443"],
  ["kwik+webtransport://[::1]:443", { host: "::1", port: 443, transport: "webtransport" }, "kwik+webtransport://[::1]:443"],
  ["kwik+udp://a.example", undefined, ""],
  ["https://a.example", undefined, ""],
  ["toString://a.example", undefined, ""],
  ["a.example:65536", undefined, ""],
  ["a example", undefined, ""],
  ["", undefined, ""],
])("%s", (text, address, again) => {
  if (address === undefined) {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    return;
  }
  expect(parseAddress(text)).toEqual(address);
  expect(formatAddress(parseAddress(text))).toBe(again);
  expect(parseAddress(again)).toEqual(address);
});

// spec: RELAY-11
test("a way through a relay has a name that is no address", () => {
  const way = { host: "::1", port: 7, relay: { name: "kwik+tcp://relay.example:4433" } };
  expect(formatAddress(way)).toBe("[::1]:7 via kwik+tcp://relay.example:4433");
  expect(formatServer(way)).toBe("[::1]:7");
  expect(() => parseAddress(formatAddress(way))).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("names of transports", () => {
  expect([undefined, "", "auto", "tcp", "webtransport"].map(parseTransportName)).toEqual([
    undefined,
    undefined,
    undefined,
    "tcp",
    "webtransport",
  ]);
  expect(() => parseTransportName("udp")).toThrow(/there are quic, tcp and websocket/);
});
