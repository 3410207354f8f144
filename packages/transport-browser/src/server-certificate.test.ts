import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { makeSelfSigned } from "@kwik/trust";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readServerCertificate } from "./server-certificate.ts";

const made = await makeSelfSigned({ names: ["a.example", "10.0.0.1"], validDays: 13 });

/** The certificate's bytes between other lines. */
function pemOf(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;
}

async function codeOf(pem: string): Promise<string> {
  return readServerCertificate(pem).then(
    () => "read",
    (error: unknown) => (error as { readonly code: string }).code,
  );
}

test("hash, identity and dates are those that Node reads", async () => {
  const other = new X509Certificate(made.cert);
  expect(await readServerCertificate(made.cert)).toEqual({
    hash: new Uint8Array(createHash("sha256").update(other.raw).digest()),
    identity: made.identity,
    notBeforeMs: Date.parse(other.validFrom),
    notAfterMs: Date.parse(other.validTo),
    isEcdsa: true,
  });
});

test("dates beyond 2050 are read too", async () => {
  const late = await makeSelfSigned({ now: Date.UTC(2051, 5, 1), validDays: 10 });
  const { notBeforeMs, notAfterMs } = await readServerCertificate(late.cert);
  expect([new Date(notBeforeMs).toISOString(), new Date(notAfterMs).toISOString()]).toEqual([
    "2051-05-31T23:00:00.000Z",
    "2051-06-11T00:00:00.000Z",
  ]);
});

test("of a chain the first counts, whatever stands around it", async () => {
  const other = await makeSelfSigned();
  expect((await readServerCertificate(`subject=x\n${made.cert}\n${other.cert}`)).identity).toBe(made.identity);
  expect((await readServerCertificate(made.cert.replaceAll("\n", "\r\n"))).identity).toBe(made.identity);
});

test("what is no certificate is INVALID_ARGUMENT", async () => {
  const key = createPrivateKey(made.key).export({ type: "pkcs8", format: "der" });
  const { raw } = new X509Certificate(made.cert);
  for (const text of [
    "",
    "PEM",
    made.key,
    pemOf(new Uint8Array(0)),
    pemOf(key),
    pemOf(raw.subarray(0, 200)),
    pemOf(Buffer.concat([raw, raw])),
  ])
    expect(await codeOf(text)).toBe("INVALID_ARGUMENT");
});

test("no garbage does worse than that", async () => {
  const { raw } = new X509Certificate(made.cert);
  await fc.assert(
    fc.asyncProperty(fc.nat(raw.length - 1), fc.nat(255), fc.nat(raw.length), async (at, byte, length) => {
      const broken = Uint8Array.from(raw.subarray(0, length));
      if (at < length) broken[at] = byte;
      expect(["read", "INVALID_ARGUMENT"]).toContain(await codeOf(pemOf(broken)));
    }),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
      expect(await codeOf(pemOf(bytes))).toBe("INVALID_ARGUMENT");
    }),
  );
});
