import { createHash, generateKeyPairSync, type X509Certificate } from "node:crypto";
import type { DialPlan } from "@kwik/core";
import { expect, test } from "vitest";
import { verifyServer } from "./verify-server.ts";

const DAY_MS = 86_400_000;
const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const spki = publicKey.export({ type: "spki", format: "der" });
const mine = { identity: `sha256:${createHash("sha256").update(spki).digest("hex")}` };
/** What of a certificate is looked at. */
const certificate = {
  publicKey,
  validFrom: new Date(Date.now() - DAY_MS).toUTCString(),
  validTo: new Date(Date.now() + DAY_MS).toUTCString(),
  checkHost: (name: string, options: object) => {
    // Neither the subject nor half a label stands for a name.
    expect(options).toEqual({ subject: "never", partialWildcards: false });
    return name === "localhost" || name === ".localhost" ? name : undefined;
  },
  checkIP: (ip: string) => {
    if (ip.includes("%")) throw new Error("not an address to OpenSSL");
    return ip === "127.0.0.1" ? ip : undefined;
  },
} as unknown as X509Certificate;
const ca = "some authority";
const others = `sha256:${"0".repeat(64)}`;

const untrusted = (text: string) => expect.objectContaining({ code: "NOT_TRUSTED", message: expect.stringContaining(text) });

function verify(plan: DialPlan, chainError: string | undefined, nowMs?: number): string | undefined {
  return verifyServer(plan, { certificate, chainError }, "host:1", nowMs);
}

test("each row of the table proves what it says, and needs the chain unless the key alone decides", () => {
  const rows: [plan: DialPlan, needsChain: boolean, proves: string | undefined][] = [
    [{ kind: "direct", ca, serverName: "x.id.kwik.internal", identity: mine.identity }, true, mine.identity],
    [{ kind: "direct", ca, serverName: "localhost", identity: undefined }, true, undefined],
    [{ kind: "direct", ca: undefined, serverName: "localhost", identity: undefined }, true, undefined],
    [{ kind: "query-pin", ca, acceptable: [others, mine.identity] }, true, mine.identity],
    [{ kind: "query-pin", ca: undefined, acceptable: [others, mine.identity] }, false, mine.identity],
    [{ kind: "query-authority", ca, host: "127.0.0.1", revoked: [] }, true, mine.identity],
  ];
  for (const [plan, needsChain, proves] of rows) {
    expect(verify(plan, undefined), JSON.stringify(plan)).toBe(proves);
    if (needsChain) expect(() => verify(plan, "SELF_SIGNED_CERT_IN_CHAIN")).toThrow(untrusted("not issued by a trusted authority"));
    else expect(verify(plan, "DEPTH_ZERO_SELF_SIGNED_CERT")).toBe(proves);
    expect(() => verify(plan, undefined, Date.now() + 2 * DAY_MS)).toThrow(untrusted("expired"));
    expect(() => verify(plan, undefined, Date.now() - 2 * DAY_MS)).toThrow(untrusted("clocks"));
    expect(() => verifyServer(plan, { certificate: undefined, chainError: undefined }, "host:1")).toThrow(untrusted("no certificate"));
  }
});

test("a good chain is not enough: the name, the address or the key must be right too", () => {
  const rows: [DialPlan, string][] = [
    [{ kind: "direct", ca, serverName: "localhost", identity: others }, mine.identity],
    [{ kind: "direct", ca, serverName: "elsewhere.example", identity: undefined }, "elsewhere.example"],
    [{ kind: "query-pin", ca, acceptable: [others] }, others],
    [{ kind: "query-pin", ca: undefined, acceptable: [others] }, others],
    [{ kind: "query-authority", ca, host: "10.9.8.7", revoked: [] }, "10.9.8.7"],
    [{ kind: "query-authority", ca, host: "fe80::1%lo", revoked: [] }, "expected fe80::1%lo"],
    [{ kind: "direct", ca, serverName: ".localhost", identity: undefined }, "expected .localhost"],
  ];
  for (const [plan, text] of rows) expect(() => verify(plan, undefined), text).toThrow(untrusted(text));
});

test("without verification anything passes and nothing is proven", () => {
  expect(verifyServer({ kind: "unverified", serverName: "x" }, { certificate: undefined, chainError: "X" }, "host:1")).toBeUndefined();
});

test("what is wrong with a chain is said in words, and named where they leave something open", () => {
  const plan = { kind: "query-authority", ca, host: "127.0.0.1", revoked: [] } as const;
  for (const [code, text] of [
    ["CERT_HAS_EXPIRED", "a certificate of its chain has expired"],
    ["CERT_NOT_YET_VALID", "not valid yet"],
    ["CERT_REVOKED", "was revoked"],
    ["INVALID_CA", "not issued by a trusted authority"],
    ["INVALID_PURPOSE", "of a kind that cannot be checked (INVALID_PURPOSE)"],
    ["OUT_OF_MEM", "could not be checked (OUT_OF_MEM)"],
  ] as const) {
    expect(() => verify(plan, code)).toThrow(untrusted(text));
  }
});

test("a wrong key is what is said first: it is why dates and chain are those of another", () => {
  const plan = { kind: "direct", ca, serverName: "x.id.kwik.internal", identity: others } as const;
  expect(() => verify(plan, "CERT_HAS_EXPIRED", Date.now() + 2 * DAY_MS)).toThrow(untrusted(`its key is ${mine.identity}`));
});
