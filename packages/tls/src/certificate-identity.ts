import { createHash } from "node:crypto";
import type { X509Certificate } from "node:crypto";

/** "sha256:<hex>" over the public key (SPKI, DER) of a certificate; undefined if the key is of a kind that OpenSSL does not know. */
export function certificateIdentity(certificate: X509Certificate): string | undefined {
  try {
    const spki = certificate.publicKey.export({ type: "spki", format: "der" });
    return `sha256:${createHash("sha256").update(spki).digest("hex")}`;
  } catch {
    return undefined;
  }
}
