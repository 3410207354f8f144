import { createHash, X509Certificate } from "node:crypto";
import { makeSelfSigned } from "@kwik/trust";
import { expect, test } from "vitest";
import { browserCertificate } from "./browser-certificate.ts";
import { certificateNotice, webLine, webOptionsOf } from "./web-flags.ts";

test("a certificate as --self-signed makes it is taken by its hash", async () => {
  const { cert } = await makeSelfSigned();
  const certificate = browserCertificate(cert);
  expect(certificate.flaw).toBeUndefined();
  expect(certificate.hash).toBe(createHash("sha256").update(new X509Certificate(cert).raw).digest("hex"));
  expect(certificateNotice(certificate)).toBeUndefined();
  expect(webLine(certificate)).toMatch(/^kwik: for browsers: certificate [0-9a-f]{64} until \d{4}-\d\d-\d\d$/);
});

test("one that lives longer than two weeks, or has another kind of key, is not, and the notice says why", async () => {
  // Backdated by an hour for late clocks, 14 days are an hour too long.
  const long = browserCertificate((await makeSelfSigned({ validDays: 14 })).cert);
  expect(certificateNotice(long)).toContain("valid for 14.04 days, more than 14");
  expect(certificateNotice(browserCertificate((await makeSelfSigned({ validDays: 365 })).cert))).toContain("365.04 days");
  const rsa = browserCertificate(RSA_CERTIFICATE);
  expect(certificateNotice(rsa)).toContain("its key is not ECDSA with P-256");
  expect(webLine(rsa)).toContain("certificate of an authority until");
});

test("origins of the command line are compared as browsers write them", () => {
  expect(webOptionsOf({})).toEqual({});
  expect(webOptionsOf({ web: true })).toEqual({ web: true });
  const { web } = webOptionsOf({ web: true, allowOrigin: ["https://App.example:443/", "http://localhost:8080"] });
  const isAllowed = (origin: string): boolean | undefined => (typeof web === "object" ? web.allowOrigin?.(origin) : undefined);
  expect(["https://app.example", "http://localhost:8080"].map(isAllowed)).toEqual([true, true]);
  expect(["http://app.example", "https://app.example:8443", "http://localhost", "null"].map(isAllowed)).toEqual([
    false,
    false,
    false,
    false,
  ]);
  const all = webOptionsOf({ web: true, allowOrigin: ["*"] }).web;
  expect(typeof all === "object" && all.allowOrigin?.("null")).toBe(true);
});

/** Of a run of `openssl req -x509 -newkey rsa:2048 -days 10`. */
const RSA_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIC/TCCAeWgAwIBAgIUNfsFdpjrG8Y2fjI/wfbNbc08DN0wDQYJKoZIhvcNAQEL
BQAwDjEMMAoGA1UEAwwDcnNhMB4XDTI2MTEyMTIxMzczMloXDTI2MTIwMTIxMzcz
MlowDjEMMAoGA1UEAwwDcnNhMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKC
AQEArW7OiDTC/u4IEu+RL9A09DAhDdM4y7h1GMLt5GQo+ZO1mxTQuQMx5LIC5P7j
QLg1vEq70slngfasnG9GekaoXSR3i9cn8pshApcn7Gvce0yA5bXf45NGo7KF5xiI
J95W7TwftizJz25F+Ld5gdZYfXhhgE9cwqJIc39XgqX/UzXkYwfsXHofKK0GESeG
FCWiVctoPJso5C7j/U4KnZhAhu86r59OLDZxewTIi7OY+9s6kmgZmiK6yzYDubZI
JuTO48cHokR5Ny82zKddm/yIulQBGrrgyvYlNbLZdOarf9sLOicVTMhECOpzxZlq
jnI03HesT2fh9P+lchhJtFsLZQIDAQABo1MwUTAdBgNVHQ4EFgQUjvaxfKxolguE
l2qLTzJjgFmKCJYwHwYDVR0jBBgwFoAUjvaxfKxolguEl2qLTzJjgFmKCJYwDwYD
VR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOCAQEANYeYZhFqFVOTF/iUpXrf
klylHsTTTDk8NmdWZn4I3FbiQu5yvkLjK5aZoQ0dtxEkNys/3tV9n9xPi5FUm8Hq
UFZ5DQrqmBYnwk8sfLsNRR764mL2wS5wM+KKrNYagWm9cTJ2SIeeaC6sypQATH7f
xy2+3dYpYmzukXv3uYCagFzNHzbPOabYjKKhnSj7I0rygiW3qg5neUF8Ht3IHJNQ
diqAfGw2e6FnpPLkLcJgmVtf1O7fwc6VdowSJrEMrX8vcO7zDrI897HDV8fKMY9i
pZg840CJGTWX+hctVToDbIbYN7dLFVFe1XLy2zlppihSJrdBFT6koFr6Pe3BHjoq
2w==
-----END CERTIFICATE-----
`;
