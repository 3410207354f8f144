import { createHash, createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { identityOf, isIdentity, parseIdentity, privateNameOf } from "./identity.ts";
import { makeSelfSigned } from "./self-signed.ts";

// spec: SESS-5
test("an identity is the hash of the public key, whatever the key comes in", async () => {
  const { cert, key, identity } = await makeSelfSigned();
  const certificate = new X509Certificate(cert);
  const spki = certificate.publicKey.export({ type: "spki", format: "der" });
  expect(identity).toBe(`sha256:${createHash("sha256").update(spki).digest("hex")}`);
  for (const form of [
    cert,
    key,
    certificate,
    certificate.raw,
    createPrivateKey(key),
    createPublicKey(key),
    createPublicKey(key).export({ type: "spki", format: "pem" }),
  ]) {
    expect(identityOf(form as string)).toBe(identity);
  }
});

test("what holds no key is refused as an argument", () => {
  for (const garbage of ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", new Uint8Array(40)]) {
    expect(() => identityOf(garbage)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});

test("an identity is read leniently and written in one form", () => {
  const identity = `sha256:${"0f".repeat(32)}`;
  expect(parseIdentity(` SHA256:${"0F".repeat(32)}\n`)).toBe(identity);
  for (const bad of [
    "",
    "0f".repeat(32),
    `sha256:${"0f".repeat(31)}`,
    `sha256:${"0g".repeat(32)}`,
    `sha1:${"0f".repeat(32)}`,
    `${identity}00`,
  ]) {
    expect(isIdentity(bad)).toBe(false);
    expect(() => parseIdentity(bad)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});

test("a private name is the base32 of the hash", () => {
  // 32 bytes of zero, of ones, and counting, against RFC 4648 written out independently.
  const cases: [string, string][] = [
    ["00".repeat(32), "a".repeat(52)],
    ["ff".repeat(32), `${"7".repeat(51)}q`],
    ["000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"],
  ];
  for (const [hex, label] of cases) expect(privateNameOf(`sha256:${hex}`)).toBe(`${label}.id.kwik.internal`);
});
