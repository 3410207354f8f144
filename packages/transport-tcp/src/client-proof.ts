import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

/**
 * Why a client's certificate is not accepted, or undefined. TLS has proven that the client holds its key.
 *
 * kwik's own certificates are made for servers, and clients show the same ones. OpenSSL calls that INVALID_PURPOSE, and this word hides what
 * else it found: for those the issuer is looked at here, which must be one of the authorities itself.
 */
export function clientProblem(
  socket: TLSSocket,
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
  nowMs: number = Date.now(),
): string | undefined {
  if (socket.authorized) return undefined;
  const error = String(socket.authorizationError);
  const isVouchedFor =
    error === "INVALID_PURPOSE" &&
    isCurrent(certificate, nowMs) &&
    authorities.some((authority) => isCurrent(authority, nowMs) && comesFrom(certificate, authority));
  return isVouchedFor ? undefined : `its client certificate does not verify (${error})`;
}

function isCurrent(certificate: X509Certificate, nowMs: number): boolean {
  return nowMs >= Date.parse(certificate.validFrom) && nowMs <= Date.parse(certificate.validTo);
}

/** Whether a certificate is the authority's own, or signed by it. */
function comesFrom(certificate: X509Certificate, authority: X509Certificate): boolean {
  if (certificate.raw.equals(authority.raw)) return true;
  try {
    return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  } catch {
    return false;
  }
}
