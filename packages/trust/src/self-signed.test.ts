import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { privateNameOf } from "./identity.ts";
import { makeSelfSigned } from "./self-signed.ts";
import { probe, withTlsServer } from "./tls-probe.fixture.ts";

test("a self-signed certificate is its own trust anchor under its private name", async () => {
  const { cert, key, identity } = await makeSelfSigned();
  const other = await makeSelfSigned();
  await withTlsServer(cert, key, async (port) => {
    expect(await probe(port, cert, privateNameOf(identity))).toBe("ok");
    expect(await probe(port, cert, "localhost")).toBe("ok");
    expect(await probe(port, cert, privateNameOf(other.identity))).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    expect(await probe(port, other.cert, privateNameOf(identity))).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
  });
});

test("it speaks for the names that were given, IP addresses as addresses", async () => {
  const { cert, identity } = await makeSelfSigned({
    names: ["Example.org.", "10.1.2.3", "2001:db8::0:7", "::ffff:1.2.3.4", "*.wild.example"],
  });
  const certificate = new X509Certificate(cert);
  expect(certificate.subjectAltName?.split(", ")).toEqual([
    "DNS:localhost",
    "DNS:example.org",
    "IP Address:10.1.2.3",
    "IP Address:2001:DB8:0:0:0:0:0:7",
    "IP Address:0:0:0:0:0:FFFF:102:304",
    "DNS:*.wild.example",
    `DNS:${privateNameOf(identity)}`,
  ]);
  expect(certificate.checkIP("2001:db8::7")).toBe("2001:db8::7");
  expect(certificate.ca).toBe(false);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
});

test("its life is 13 days unless said otherwise, with an hour for clocks that are behind", async () => {
  const now = Date.UTC(2049, 11, 30);
  const usual = new X509Certificate((await makeSelfSigned({ now })).cert);
  expect(Date.parse(usual.validFrom)).toBe(now - 3_600_000);
  // Crosses 2050, where the encoding of times changes.
  expect(Date.parse(usual.validTo)).toBe(now + 13 * 86_400_000);
  const short = new X509Certificate((await makeSelfSigned({ now, validDays: 1 })).cert);
  expect(Date.parse(short.validTo)).toBe(now + 86_400_000);
});

test("names that are none, and names of other keys, are refused", async () => {
  for (const name of [
    "",
    "a b",
    "host:443",
    "[::1]",
    "-x.example",
    `${"a".repeat(64)}.example`,
    "id.kwik.internal",
    privateNameOf(`sha256:${"00".repeat(32)}`),
  ]) {
    await expect(makeSelfSigned({ names: [name] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  for (const validDays of [0, -1, Number.NaN, 1e9])
    await expect(makeSelfSigned({ validDays })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("it has no key usage: BoringSSL would not take it for its own issuer otherwise", async () => {
  const { cert } = await makeSelfSigned();
  const keyUsage = "0603551d0f";
  expect(new X509Certificate(cert).raw.toString("hex")).not.toContain(keyUsage);
});
