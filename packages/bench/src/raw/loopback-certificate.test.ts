import { createPrivateKey, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { loopbackCertificate } from "./loopback-certificate.ts";

test("the certificate of a run is well formed, signed by its own key and valid now", () => {
  const { cert, key } = loopbackCertificate();
  const certificate = new X509Certificate(cert);
  expect(certificate.subject).toBe("CN=localhost");
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now());
  expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now());
});
