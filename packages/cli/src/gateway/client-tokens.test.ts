import { expect, test } from "vitest";
import { authenticateBy, clientOf } from "./client-tokens.ts";

const request = (remoteAddress: string): Parameters<ReturnType<typeof authenticateBy>>[0] => ({
  remoteAddress,
  token: undefined,
  clientIdentity: undefined,
  transport: "tcp",
  joining: false,
  signal: new AbortController().signal,
});

function clientAt(remoteAddress: string): ReturnType<typeof clientOf> {
  const result = authenticateBy(undefined)(request(remoteAddress));
  return clientOf({ id: "0", clientIdentity: result.ok ? result.identity : undefined });
}

test("without tokens a client is the network that it comes from, as for the listener", () => {
  expect(clientAt("[2001:db8:1:2::5]:7")).toEqual({ name: "2001:db8:1:2::/64", source: { host: "2001:db8:1:2::5", port: 7 } });
  expect(clientAt("[2001:db8:1:2:ffff::1]:7").name).toBe("2001:db8:1:2::/64");
  expect(clientAt("203.0.113.9:7")).toEqual({ name: "203.0.113.0/24", source: { host: "203.0.113.9", port: 7 } });
});

test("a link-local address with a zone is one as well", () => {
  expect(clientAt("[fe80::1%eth0]:5").source).toEqual({ host: "fe80::1%eth0", port: 5 });
});
