import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { identityOfCertificate } from "./verify-server.ts";

/** What a client's certificate amounts to. */
export type ClientProof = { readonly identity: string | undefined } | { readonly problem: string };

/**
 * Judges the certificate that a client gave, if it was asked and gave one. `clientCa` is what the server asks for (PEM); undefined leaves
 * the judgement to OpenSSL alone.
 */
export function verifyClient(socket: TLSSocket, clientCa: string | undefined, nowMs: number = Date.now()): ClientProof {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { identity: undefined };
  if (!socket.authorized) {
    const code = String(socket.authorizationError);
    // kwik's own certificates are for servers, and servers dial each other with them; QUIC's engine takes them too. OpenSSL names the purpose
    // even where more is wrong, so everything else is looked at again.
    const isTaken = code === "INVALID_PURPOSE" && clientCa !== undefined && isIssuedDirectly(certificate, clientCa, nowMs);
    if (!isTaken) return { problem: `it does not come from an authority of this server (${code})` };
  }
  const identity = identityOfCertificate(certificate);
  return identity === undefined ? { problem: "it has a key of a kind that cannot be checked" } : { identity };
}

/** Whether one of the authorities signed a certificate itself, or it is one of them; and both are valid now. */
export function isIssuedDirectly(certificate: X509Certificate, authorities: string, nowMs: number): boolean {
  if (!isValidAt(certificate, nowMs)) return false;
  const blocks = authorities.match(PEM_CERTIFICATE) ?? [];
  return blocks.some((block) => {
    const authority = new X509Certificate(block);
    if (authority.raw.equals(certificate.raw)) return certificate.verify(certificate.publicKey);
    return authority.ca && isValidAt(authority, nowMs) && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  });
}

/** Certificates in PEM, with anything between them. */
export const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return Date.parse(certificate.validFrom) <= nowMs && nowMs <= Date.parse(certificate.validTo);
}
