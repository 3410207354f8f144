import { type KeyObject, sign, verify, type X509Certificate } from "node:crypto";
import { toPem } from "./certificate.ts";

const label = "KWIK AUTHORITY VOUCHER";
const purpose = Buffer.from("kwik authority voucher v1\0");

/**
 * A server key's signed word that its certificate comes from this authority, as a PEM block to append to the server's chain (TLS
 * libraries skip blocks that are not certificates). With it a client that knows only the server's key learns the authority.
 */
export function makeAuthorityVoucher(serverKey: KeyObject, authority: X509Certificate): string {
  return toPem(label, sign(digestOf(serverKey), statement(authority), serverKey));
}

/** Whether `pem` holds a voucher of `serverKey` (public) for exactly this authority certificate. */
export function hasAuthorityVoucher(pem: string, serverKey: KeyObject, authority: X509Certificate): boolean {
  const block = new RegExp(`-----BEGIN ${label}-----\\s+([A-Za-z0-9+/=\\s]{1,2000}?)-----END ${label}-----`).exec(pem)?.[1];
  if (block === undefined) return false;
  try {
    return verify(digestOf(serverKey), statement(authority), serverKey, Buffer.from(block, "base64"));
  } catch {
    return false;
  }
}

// The label keeps the signature from being taken for one of TLS (which begin with 64 blanks) or of X.509 (a DER sequence).
function statement(authority: X509Certificate): Buffer {
  return Buffer.concat([purpose, authority.raw]);
}

function digestOf(key: KeyObject): "sha256" | null {
  return key.asymmetricKeyType === "ed25519" ? null : "sha256";
}
