import { createHash, type X509Certificate } from "node:crypto";
import { domainToASCII } from "node:url";
import { type DialPlan, KwikError } from "@kwik/core";

/** What a TLS handshake showed of a server; the handshake itself proved that it holds the certificate's key. */
export interface ShownServer {
  /** The server's own certificate; undefined if it showed none. */
  readonly certificate: X509Certificate | undefined;
  /**
   * OpenSSL's code for what is wrong with the chain under the authorities that the connection was made with (`plan.ca`, else the system's);
   * undefined if it is good. Names are not part of it.
   */
  readonly chainError: string | undefined;
}

/**
 * Whether a server may be spoken to under a dial plan (the table of docs/decisions/0004-pinning-and-private-names.md). Here the certificate
 * is at hand, so that one connection is enough and private names are not needed: an identity is proven by the key itself.
 * Answers the proven identity, undefined where only a name was proven or nothing. Throws NOT_TRUSTED with the reason; `where` is for its text.
 */
export function verifyServer(plan: DialPlan, shown: ShownServer, where: string, nowMs: number = Date.now()): string | undefined {
  if (plan.kind === "unverified") return undefined;
  const refuse = (what: string): KwikError => new KwikError("NOT_TRUSTED", `${where} is not trusted: ${what}`, { remote: true });
  const { certificate } = shown;
  if (certificate === undefined) throw refuse("it showed no certificate");
  const identity = identityOfCertificate(certificate);
  if (identity === undefined) throw refuse("its certificate is of a kind that cannot be checked");
  const datesProblem = problemOfDates(certificate, nowMs);
  if (datesProblem !== undefined) throw refuse(datesProblem);
  // By the key alone no authority has a say; everywhere else the chain must be good.
  const isByKeyAlone = plan.kind === "query-pin" && plan.ca === undefined;
  if (!isByKeyAlone && shown.chainError !== undefined) throw refuse(problemOfChain(shown.chainError));
  switch (plan.kind) {
    case "query-pin":
      if (!plan.acceptable.includes(identity)) throw refuse(otherKey(identity, plan.acceptable));
      return identity;
    case "query-authority":
      if (certificate.checkIP(plan.ip) === undefined) throw refuse(`its certificate is not for ${plan.ip}`);
      return identity;
    case "direct":
      if (plan.identity === undefined) {
        const name = domainToASCII(plan.serverName) || plan.serverName;
        if (certificate.checkHost(name, { subject: "never", partialWildcards: false }) !== undefined) return undefined;
        throw refuse(`its certificate was not issued for the expected name or key (expected ${plan.serverName})`);
      }
      if (plan.identity !== identity) throw refuse(otherKey(identity, [plan.identity]));
      return identity;
  }
}

/** "sha256:<hex>" over the public key (SPKI, DER) of a certificate; undefined if the key is of a kind that OpenSSL does not know. */
export function identityOfCertificate(certificate: X509Certificate): string | undefined {
  try {
    const spki = certificate.publicKey.export({ type: "spki", format: "der" });
    return `sha256:${createHash("sha256").update(spki).digest("hex")}`;
  } catch {
    return undefined;
  }
}

function otherKey(identity: string, acceptable: readonly string[]): string {
  return `its certificate was not issued for the expected name or key (its key is ${identity}, and expected was ${acceptable.join(" or ")})`;
}

function problemOfDates(certificate: X509Certificate, nowMs: number): string | undefined {
  if (nowMs > Date.parse(certificate.validTo)) return `its certificate has expired on ${certificate.validTo}; renew it at the server`;
  if (nowMs < Date.parse(certificate.validFrom)) return `its certificate is valid only from ${certificate.validFrom}; check the clocks`;
  return undefined;
}

const CHAIN_PROBLEMS = new Map<string, string>([
  ["CERT_HAS_EXPIRED", "a certificate of its chain has expired"],
  ["CERT_NOT_YET_VALID", "a certificate of its chain is not valid yet"],
  ["CERT_REVOKED", "its certificate was revoked"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "its certificate was not issued by a trusted authority"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "its certificate was not issued by a trusted authority"],
  ["UNABLE_TO_GET_ISSUER_CERT", "its certificate was not issued by a trusted authority"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "its certificate was not issued by a trusted authority"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "its certificate was not issued by a trusted authority"],
  ["CERT_SIGNATURE_FAILURE", "its certificate was not issued by a trusted authority"],
  ["INVALID_CA", "its certificate was not issued by a trusted authority"],
]);

function problemOfChain(code: string): string {
  return CHAIN_PROBLEMS.get(code) ?? `its certificate could not be checked (${code})`;
}
