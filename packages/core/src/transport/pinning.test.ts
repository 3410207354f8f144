import { expect, test } from "vitest";
import { parseAddress } from "./address.ts";
import { dialPlan, privateNameOf } from "./pinning.ts";
import type { ServerTrust } from "./transport.ts";

const one = `sha256:${"11".repeat(32)}`;
const two = `sha256:${"22".repeat(32)}`;
const ca = "PEM";
const plan = (target: string, trust: Partial<ServerTrust>, identity?: string) =>
  dialPlan(parseAddress(target), { ca: undefined, pins: [], dangerouslyTrustAnyServer: false, ...trust }, identity);

test("with nothing set, the system's authorities verify the host name", () => {
  expect(plan("Kwik.Example.", {})).toEqual({ kind: "direct", ca: undefined, serverName: "kwik.example", identity: undefined });
});

test("certificates are refused: they were to become pins", () => {
  for (const trust of [{ certificates: ["PEM"] }, { certificates: [] }, { certificates: ["PEM"], ca }])
    expect(() => plan("kwik.example", trust)).toThrow(expect.objectContaining({ code: "NOT_SUPPORTED" }));
});

test("with nothing set, an IP address cannot be verified", () => {
  for (const target of ["10.0.0.1", "[::1]:1", "127.1"])
    expect(() => plan(target, {})).toThrow(expect.objectContaining({ code: "NOT_TRUSTED" }));
});

test("an authority verifies the host name, or the private name where the key is known", () => {
  expect(plan("kwik.example", { ca })).toEqual({ kind: "direct", ca, serverName: "kwik.example", identity: undefined });
  for (const target of ["kwik.example", "10.0.0.1"]) {
    expect(plan(target, { ca }, one)).toEqual({ kind: "direct", ca, serverName: privateNameOf(one), identity: one });
    expect(plan(target, { ca, pins: [one] })).toEqual({ kind: "direct", ca, serverName: privateNameOf(one), identity: one });
  }
});

test("an authority and an IP address need the server's certificate first", () => {
  expect(plan("10.0.0.1", { ca })).toEqual({ kind: "query-authority", ca, host: "10.0.0.1", revoked: [] });
});

test("with a list of revoked keys the key is asked for, also where a name would do, and a revoked one is dialled by nothing", () => {
  const revoked = [one];
  expect(plan("Kwik.Example.", { ca, revoked })).toEqual({ kind: "query-authority", ca, host: "kwik.example", revoked });
  expect(plan("10.0.0.1", { ca, revoked })).toEqual({ kind: "query-authority", ca, host: "10.0.0.1", revoked });
  expect(plan("kwik.example", { ca, revoked }, two)).toEqual({ kind: "direct", ca, serverName: privateNameOf(two), identity: two });
  expect(plan("kwik.example", { ca, revoked, pins: [one, two] })).toMatchObject({ identity: two });
  expect(plan("kwik.example", { ca, revoked: [] })).toMatchObject({ kind: "direct", serverName: "kwik.example" });
  for (const attempt of [() => plan("kwik.example", { ca, revoked }, one), () => plan("kwik.example", { ca, revoked, pins: [one] })])
    expect(attempt).toThrow(expect.objectContaining({ code: "NOT_TRUSTED", message: expect.stringContaining("was revoked") }));
});

test("a known key alone needs the server's certificate first", () => {
  expect(plan("kwik.example", { pins: [one, two] })).toEqual({ kind: "query-pin", acceptable: [one, two], ca: undefined });
  expect(plan("10.0.0.1", {}, one)).toEqual({ kind: "query-pin", acceptable: [one], ca: undefined });
  expect(plan("10.0.0.1", { ca, pins: [one, two] })).toEqual({ kind: "query-pin", acceptable: [one, two], ca });
});

test("the identity that is asked for goes before the pins", () => {
  expect(plan("kwik.example", { pins: [one] }, two)).toEqual({ kind: "query-pin", acceptable: [two], ca: undefined });
});

test("trusting any server verifies nothing, whatever else is set", () => {
  expect(plan("10.0.0.1", { ca, pins: [one], dangerouslyTrustAnyServer: true }, two)).toEqual({
    kind: "unverified",
    serverName: "localhost",
  });
  expect(plan("kwik.example", { dangerouslyTrustAnyServer: true })).toEqual({ kind: "unverified", serverName: "kwik.example" });
});

test("a malformed pin is an argument's fault, not a missing pin", () => {
  for (const pin of ["", "sha256:", "11".repeat(32)])
    expect(() => plan("kwik.example", { pins: [pin] })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  expect(() => plan("kwik.example", {}, "")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
