import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { ForwardedAddress } from "./forwarded-address.ts";

function clientOf(proxies: readonly string[], remoteAddress: string, header?: string | string[]): string {
  const request = { headers: header === undefined ? {} : { "x-forwarded-for": header } } as unknown as IncomingMessage;
  return new ForwardedAddress(proxies).of(request, { remoteAddress, remotePort: 5 } as unknown as Socket);
}

test("only a proxy is believed, and of what it says the last that is no proxy", () => {
  const proxies = ["10.0.0.0/8", "fd00::1"];
  expect(clientOf([], "10.0.0.1", "203.0.113.9")).toBe("10.0.0.1:5");
  expect(clientOf(proxies, "192.0.2.1", "203.0.113.9")).toBe("192.0.2.1:5");
  expect(clientOf(proxies, "10.0.0.1", "203.0.113.9")).toBe("203.0.113.9:0");
  expect(clientOf(proxies, "::ffff:10.0.0.1", "203.0.113.9")).toBe("203.0.113.9:0");
  // What the client itself wrote stands in front.
  expect(clientOf(proxies, "10.0.0.1", "8.8.8.8, 203.0.113.9, 10.2.3.4")).toBe("203.0.113.9:0");
  expect(clientOf(proxies, "10.0.0.1", ["8.8.8.8", "203.0.113.9:777"])).toBe("203.0.113.9:777");
  expect(clientOf(proxies, "fd00::1", "2001:db8::7")).toBe("[2001:db8::7]:0");
  expect(clientOf(proxies, "fd00::1", "[2001:db8::7]:99")).toBe("[2001:db8::7]:99");
});

test("nonsense, proxies alone and lists without end leave the proxy's own address", () => {
  const proxies = ["10.0.0.0/8"];
  for (const header of [undefined, "", "unknown", "203.0.113.9, _hidden", "203.0.113.9, ", "10.2.3.4", "1.2.3.4.5", "203.0.113.9:999999"])
    expect(clientOf(proxies, "10.0.0.1", header)).toBe("10.0.0.1:5");
  expect(clientOf(proxies, "10.0.0.1", `203.0.113.9${", 10.2.3.4".repeat(1000)}`)).toBe("10.0.0.1:5");
});

test("what is no range is refused", () => {
  expect(() => new ForwardedAddress(["10.0.0.0/33"])).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
