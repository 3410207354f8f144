import type { X509Certificate } from "node:crypto";
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { shownIdentity } from "./identity.ts";
import { verifyClient } from "./client-proof.ts";

const DAY_MS = 86_400_000;
const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** What of a certificate is looked at; it verifies under the keys in `signedBy`. */
function makeCertificate(name: string, signedBy: readonly unknown[] = [], more: object = {}): X509Certificate {
  return {
    publicKey,
    raw: Buffer.from(name),
    ca: false,
    validFrom: new Date(Date.now() - DAY_MS).toUTCString(),
    validTo: new Date(Date.now() + DAY_MS).toUTCString(),
    checkIssued: () => true,
    verify: (key: unknown) => signedBy.includes(key),
    ...more,
  } as unknown as X509Certificate;
}

function judged(certificate: X509Certificate | undefined, error: string | undefined, authorities?: X509Certificate[], nowMs?: number) {
  const socket = {
    authorized: error === undefined,
    authorizationError: error as unknown as Error,
    getPeerX509Certificate: () => certificate,
  };
  return verifyClient(socket, authorities, nowMs);
}

const authority = makeCertificate("authority", [], { ca: true });
const member = makeCertificate("member", [authority.publicKey]);
const proven = { identity: shownIdentity(member) };
const refused = { problem: "its client certificate does not verify (INVALID_PURPOSE)" };

test("a client without a certificate is nobody, and one that TLS verified is known by its key", () => {
  expect(judged(undefined, "SELF_SIGNED_CERT_IN_CHAIN", [authority])).toEqual({ identity: undefined });
  expect(judged(member, undefined)).toEqual(proven);
});

test("a server's certificate passes for a client's if one of the authorities signed it itself, while both are valid", () => {
  expect(judged(member, "INVALID_PURPOSE", [makeCertificate("other", [], { ca: true, publicKey: "another key" }), authority])).toEqual(
    proven,
  );
  expect(judged(member, "INVALID_PURPOSE", [])).toEqual(refused);
  expect(judged(member, "INVALID_PURPOSE")).toEqual(refused);
  expect(judged(makeCertificate("stranger"), "INVALID_PURPOSE", [authority])).toEqual(refused);
  expect(judged(makeCertificate("x", [authority.publicKey], { checkIssued: () => false }), "INVALID_PURPOSE", [authority])).toEqual(
    refused,
  );
  expect(judged(member, "INVALID_PURPOSE", [makeCertificate("no authority")])).toEqual(refused);
  expect(judged(member, "INVALID_PURPOSE", [authority], Date.now() + 2 * DAY_MS)).toEqual(refused);
  expect(judged(member, "INVALID_PURPOSE", [authority], Date.now() - 2 * DAY_MS)).toEqual(refused);
  const expired = makeCertificate("authority", [], { ca: true, validTo: new Date(Date.now() - 1_000).toUTCString() });
  expect(judged(member, "INVALID_PURPOSE", [expired])).toEqual(refused);
});

test("a certificate that is itself given as the authority must have signed itself", () => {
  const own = makeCertificate("own", [publicKey]);
  expect(judged(own, "INVALID_PURPOSE", [own])).toEqual(proven);
  const issued = makeCertificate("issued");
  expect(judged(issued, "INVALID_PURPOSE", [issued])).toEqual(refused);
});

test("any other fault of the chain is final, and so is a key that nobody knows", () => {
  expect(judged(member, "CERT_HAS_EXPIRED", [authority])).toEqual({ problem: "its client certificate does not verify (CERT_HAS_EXPIRED)" });
  const strange = makeCertificate("strange", [], {
    publicKey: {
      export: () => {
        throw new Error("unsupported");
      },
    },
  });
  expect(judged(strange, undefined)).toEqual({ problem: "its client certificate has a key of a kind that cannot be checked" });
});
