import type { DialRequest, ServerTrust } from "@kwik/core";
import { makeSelfSigned } from "@kwik/trust";
import { expect, test } from "vitest";
import { acceptedCertificates } from "./accepted-certificates.ts";

const DAY_MS = 86_400_000;
const now = Date.UTC(2030, 0, 1);
const [one, two] = [await makeSelfSigned({ now }), await makeSelfSigned({ now })];

function accepted(trust: Partial<ServerTrust>, identity?: string, nowMs = now) {
  const request = {
    address: { host: "127.0.0.1", port: 1 },
    trust: { ca: undefined, pins: identity === undefined ? [] : [identity], dangerouslyTrustAnyServer: false, ...trust },
    identity,
    clientCertificate: undefined,
    timeoutMs: 1,
    signal: undefined,
  } satisfies DialRequest;
  return acceptedCertificates(request, nowMs);
}

// openssl req -x509 -newkey rsa:1024 -nodes -keyout /dev/null -days 10 -subj /CN=a
const RSA = `-----BEGIN CERTIFICATE-----
MIIB9DCCAV2gAwIBAgIUaVcfEsAl+WaEoIrNlT8e5D59m5AwDQYJKoZIhvcNAQEL
BQAwDDEKMAgGA1UEAwwBYTAeFw0yNjExMjEyMjA2MzRaFw0yNjEyMDEyMjA2MzRa
MAwxCjAIBgNVBAMMAWEwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBAMR7fk24
6eOcAXLClNuwxH6AsjFiJykyD2ua6iLn5ecF8lPajCgskHUPUmCJbVjl5otTxkqT
hyoC3U62ERl44IbKuIyk1cxru2dHurGiWJQXmdFjlVtzXeENoJwAvNSxCCDkha6h
e1tZyu1BGzzDqNyRovHQzfHdsR/upnQo3RI3AgMBAAGjUzBRMB0GA1UdDgQWBBSA
xcDYCrrv4gwbHGsyvIuqiHe+XDAfBgNVHSMEGDAWgBSAxcDYCrrv4gwbHGsyvIuq
iHe+XDAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4GBADcZeCbwaFZj
hpERODQCt/eJLfBYF/H1ugfooJIEboTk6x6iT6l+r2Qne/W9ff9NxdU3/UiJDFxP
/Q8vA54Pe6ewqoPaR4TFrBqEtaTnWGiuX1zGnNqZbVYTwn8E3co98pmKPrXj2hkK
UH8s/WWQtSqLXYRO4wZWzKcACy7CBTA/
-----END CERTIFICATE-----`;

// openssl req -x509 -newkey ed25519 -nodes -keyout /dev/null -days 10 -subj /CN=a
const ED25519 = `-----BEGIN CERTIFICATE-----
MIIBLDCB36ADAgECAhQvfSQAOQRaC9Gc4Z6KK1kLTkF2KzAFBgMrZXAwDDEKMAgG
A1UEAwwBYTAeFw0yNjExMjEyMjUxMTdaFw0yNjEyMDEyMjUxMTdaMAwxCjAIBgNV
BAMMAWEwKjAFBgMrZXADIQB5nabuDDTaCG9kErPO3BLIqQUOmASwjEDDAsVH/2zS
5KNTMFEwHQYDVR0OBBYEFPkiQVWvAC/dnuF2P39YyNPpqcy1MB8GA1UdIwQYMBaA
FPkiQVWvAC/dnuF2P39YyNPpqcy1MA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA
ar5I5W25dE5BWYG+cPpqUgRZfsKnhM3labQjBJPUcKlD8B3Cm6HYrl7K510z+phH
H2BEnhvEPoK56cwV8QJYBA==
-----END CERTIFICATE-----`;

test("without certificates the browser decides, and proves nobody", async () => {
  expect(await accepted({})).toEqual({ hashes: undefined, identity: undefined });
});

test("one server is proven, several are not told apart", async () => {
  expect(await accepted({ certificates: [one.cert] })).toMatchObject({ identity: one.identity });
  const both = await accepted({ certificates: [one.cert, two.cert] });
  expect([both.hashes?.length, both.identity]).toEqual([2, undefined]);
});

test("where an identity is asked for, only its certificates are offered", async () => {
  const found = await accepted({ certificates: [one.cert, two.cert] }, two.identity);
  expect([found.hashes?.length, found.identity]).toEqual([1, two.identity]);
});

test("an identity that nothing could prove is NOT_TRUSTED, with the advice what to give", async () => {
  for (const certificates of [undefined, [one.cert]]) {
    await expect(accepted({ certificates }, two.identity)).rejects.toMatchObject({
      code: "NOT_TRUSTED",
      message: expect.stringMatching(/give that server's certificate in trust\.certificates$/),
    });
  }
});

test("certificates that no browser takes by their hash are left out, and named where none is left", async () => {
  const long = await makeSelfSigned({ now, validDays: 30 });
  expect(await accepted({ certificates: [long.cert, one.cert] })).toMatchObject({ identity: one.identity });
  const reasonOf = async (pem: string, nowMs?: number): Promise<string> =>
    accepted({ certificates: [pem] }, undefined, nowMs).then(
      () => "accepted",
      (error: unknown) => `${(error as { code: string }).code} ${String(error)}`,
    );
  expect(await reasonOf(long.cert)).toMatch(/^NOT_TRUSTED .*more than 14 days/);
  expect(await reasonOf(one.cert, now + 14 * DAY_MS)).toMatch(/^NOT_TRUSTED .*has expired at 2030-01-14/);
  expect(await reasonOf(one.cert, now - DAY_MS)).toMatch(/^NOT_TRUSTED .*not valid before 2029-12-31/);
  for (const pem of [RSA, ED25519]) expect(await reasonOf(pem)).toMatch(/^NOT_TRUSTED .*not one for ECDSA/);
});

test("what no browser lets a page decide is NOT_SUPPORTED, and no certificates at all are INVALID_ARGUMENT", async () => {
  for (const trust of [{ ca: "PEM" }, { pins: [two.identity] }, { dangerouslyTrustAnyServer: true }])
    await expect(accepted({ certificates: [one.cert], ...trust })).rejects.toMatchObject({ code: "NOT_SUPPORTED" });
  await expect(accepted({ certificates: [] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
