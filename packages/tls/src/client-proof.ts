import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { shownIdentity } from "./identity.ts";
import { chainError } from "./chain-error.ts";

/** What a client's certificate amounts to; without one, its identity is undefined. */
export type ClientProof = { readonly identity: string | undefined } | { readonly problem: string };

/**
 * Judges the certificate that a client gave, if it was asked and gave one; TLS has proven that the client holds its key. `authorities` are
 * those that the server asks for; undefined leaves the judgement to OpenSSL alone.
 *
 * kwik's own certificates are made for servers, and clients show the same ones. OpenSSL calls that INVALID_PURPOSE, and this word hides what
 * else it found: for those the issuer is looked at here, which must be one of the authorities itself.
 */
export function verifyClient(
  socket: Pick<TLSSocket, "authorized" | "authorizationError" | "getPeerX509Certificate">,
  authorities: readonly X509Certificate[] | undefined,
  nowMs: number = Date.now(),
): ClientProof {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { identity: undefined };
  const error = chainError(socket);
  if (error !== undefined && !(error === "INVALID_PURPOSE" && isVouchedFor(certificate, authorities ?? [], nowMs))) {
    return { problem: `its client certificate does not verify (${error})` };
  }
  const identity = shownIdentity(certificate);
  return identity === undefined ? { problem: "its client certificate has a key of a kind that cannot be checked" } : { identity };
}

/** Whether one of the authorities signed a certificate itself, or it is one of them; and both are valid now. */
function isVouchedFor(certificate: X509Certificate, authorities: readonly X509Certificate[], nowMs: number): boolean {
  if (!isCurrent(certificate, nowMs)) return false;
  return authorities.some((authority) => isCurrent(authority, nowMs) && comesFrom(certificate, authority));
}

function isCurrent(certificate: X509Certificate, nowMs: number): boolean {
  return nowMs >= Date.parse(certificate.validFrom) && nowMs <= Date.parse(certificate.validTo);
}

/** Whether a certificate is the authority's own, signed by itself, or signed by the authority. */
function comesFrom(certificate: X509Certificate, authority: X509Certificate): boolean {
  try {
    if (certificate.raw.equals(authority.raw)) return certificate.verify(certificate.publicKey);
    return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  } catch {
    return false;
  }
}
