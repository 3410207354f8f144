import { createHash, createPublicKey, KeyObject, X509Certificate } from "node:crypto";
import { KwikError } from "@kwik/core";

/**
 * The identity of a key: "sha256:" and the hex SHA-256 of its SubjectPublicKeyInfo in DER. Takes a certificate (PEM; the first one
 * counts), a key in PEM, a certificate in DER, or node objects. Throws INVALID_ARGUMENT for anything else.
 */
export function identityOf(subject: string | Uint8Array | KeyObject | X509Certificate): string {
  const spki = publicKeyOf(subject).export({ type: "spki", format: "der" });
  return spkiIdentity(spki);
}

/** The identity of a public key that is at hand as SPKI in DER. */
export function spkiIdentity(spki: Uint8Array): string {
  return `sha256:${createHash("sha256").update(spki).digest("hex")}`;
}

/** The identity of a certificate that the other side showed; undefined if its key is of a kind that OpenSSL does not know. */
export function shownIdentity(certificate: X509Certificate): string | undefined {
  try {
    return spkiIdentity(certificate.publicKey.export({ type: "spki", format: "der" }));
  } catch {
    return undefined;
  }
}

function publicKeyOf(subject: string | Uint8Array | KeyObject | X509Certificate): KeyObject {
  try {
    if (subject instanceof X509Certificate) return subject.publicKey;
    if (subject instanceof KeyObject) return subject.type === "private" ? createPublicKey(subject) : subject;
    return typeof subject === "string" ? createPublicKey(subject) : new X509Certificate(subject).publicKey;
  } catch (error) {
    throw new KwikError("INVALID_ARGUMENT", "this is neither a certificate nor a key that has a public half; give PEM or DER", {
      cause: error,
    });
  }
}
