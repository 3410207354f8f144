import { expect, test } from "vitest";
import { RelayPlace } from "./relay-place.ts";

const PIN = `sha256:${"ab".repeat(32)}`;
const SESSION = { trust: { ca: "the authority", pins: [PIN], certificates: ["one"] } };

test("the session's pins are for its servers: a relay is believed by the authority, or by a key of its own", () => {
  expect(RelayPlace.of("kwik://a.example", SESSION)).toMatchObject({
    name: "a.example:4433",
    dialOptions: { trust: { ca: "the authority" } },
  });
  expect(RelayPlace.of("a.example", SESSION).dialOptions).toEqual({ trust: { ca: "the authority" } });
  expect(RelayPlace.of(`kwik+tcp://a.example:7#${PIN.toUpperCase().replace("SHA", "sha")}`, SESSION)).toMatchObject({
    name: "kwik+tcp://a.example:7",
    dialOptions: { trust: { pins: [PIN] } },
  });
  expect(RelayPlace.of("a.example", { trust: { dangerouslyTrustAnyServer: true } }).dialOptions.trust).toEqual({
    dangerouslyTrustAnyServer: true,
  });
  expect(RelayPlace.of({ address: new URL("kwik://a.example:7"), trust: { pins: [PIN] } }, SESSION).dialOptions).toEqual({
    trust: { pins: [PIN] },
  });
});

test("credentials are the relay's own, and the session's transport holds for the way to it", () => {
  const session = { ...SESSION, credentials: { token: "for the home" }, transport: "tcp" as const };
  expect(RelayPlace.of("a.example", session).dialOptions).toEqual({ trust: { ca: "the authority" }, transport: "tcp" });
  const { dialOptions } = RelayPlace.of({ address: "a.example", credentials: { token: "for the relay" } }, session);
  expect(dialOptions.credentials).toEqual({ token: "for the relay" });
});

test("only those that are believed and greeted in the same way share a session", () => {
  const key = (relay: Parameters<typeof RelayPlace.of>[0]): string => RelayPlace.of(relay, SESSION).key;
  expect(key("a.example")).toBe(key("kwik://a.example:4433"));
  const others = ["b.example", "kwik+tcp://a.example", `a.example#${PIN}`, { address: "a.example", credentials: { token: "x" } }];
  expect(new Set([key("a.example"), ...others.map(key)]).size).toBe(others.length + 1);
});
