import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { type DialPlan, KwikError } from "@kwik/core";
import { shownIdentity } from "./identity.ts";
import type { ShownServer } from "./shown-server.ts";

/**
 * Whether a server may be spoken to under a dial plan (the table of docs/decisions/0004-pinning-and-private-names.md). Here the certificate
 * is at hand, so that one connection is enough and private names are not needed: an identity is proven by the key itself.
 * Answers the proven identity, undefined where only a name was proven or nothing. Throws NOT_TRUSTED with the reason; `where` is for its text.
 */
export function verifyServer(plan: DialPlan, shown: ShownServer, where: string, nowMs: number = Date.now()): string | undefined {
  if (plan.kind === "unverified") return undefined;
  const problem = (what: string): KwikError => new KwikError("NOT_TRUSTED", `${where} is not trusted: ${what}`);
  const { certificate } = shown;
  if (certificate === undefined) throw problem("it shows no certificate");
  const identity = shownIdentity(certificate);
  if (identity === undefined) throw problem("its certificate is of a kind that cannot be checked");
  const acceptable = acceptableIn(plan);
  if (acceptable !== undefined && !acceptable.includes(identity)) {
    throw problem(`its key is ${identity}, and expected was ${acceptable.join(" or ")}`);
  }
  // Here and not only in the chain: a pin has no chain, and a resumed connection does not look at it again.
  const datesProblem = problemOfDates(certificate, nowMs);
  if (datesProblem !== undefined) throw problem(datesProblem);
  // By the key alone no authority has a say; everywhere else the chain must be good.
  const isByKeyAlone = plan.kind === "query-pin" && plan.ca === undefined;
  if (!isByKeyAlone && shown.chainError !== undefined) throw problem(problemOfChain(shown.chainError));
  switch (plan.kind) {
    case "query-pin":
      return identity;
    case "query-authority":
      if (plan.revoked.includes(identity)) throw problem(`its key ${identity} was revoked`);
      if (isForHost(certificate, plan.host)) return identity;
      throw problem(`its certificate was not issued for the expected host (expected ${plan.host})`);
    case "direct":
      if (plan.identity !== undefined) return identity;
      if (isForName(certificate, plan.serverName)) return undefined;
      throw problem(`its certificate was not issued for the expected name (expected ${plan.serverName})`);
  }
}

/** The identities of which the server's key must have one; undefined if its certificate decides. */
function acceptableIn(plan: DialPlan): readonly string[] | undefined {
  if (plan.kind === "query-pin") return plan.acceptable;
  return plan.kind === "direct" && plan.identity !== undefined ? [plan.identity] : undefined;
}

function isForName(certificate: X509Certificate, serverName: string): boolean {
  const name = domainToASCII(serverName) || serverName;
  // To OpenSSL a name that begins with a dot stands for all names below it.
  return !name.startsWith(".") && certificate.checkHost(name, { subject: "never", partialWildcards: false }) !== undefined;
}

function isForHost(certificate: X509Certificate, host: string): boolean {
  return isIP(host.replace(/%.*$/, "")) === 0 ? isForName(certificate, host) : isForIp(certificate, host);
}

function isForIp(certificate: X509Certificate, ip: string): boolean {
  try {
    return certificate.checkIP(ip) !== undefined;
  } catch {
    return false; // no certificate is issued for an address with a zone
  }
}

function problemOfDates(certificate: X509Certificate, nowMs: number): string | undefined {
  if (nowMs > Date.parse(certificate.validTo)) return `its certificate has expired on ${certificate.validTo}; renew it at the server`;
  if (nowMs < Date.parse(certificate.validFrom)) return `its certificate is valid only from ${certificate.validFrom}; check the clocks`;
  return undefined;
}

/** Its own dates are looked at before: here they are those of an authority. */
function problemOfChain(code: string): string {
  if (code === "CERT_HAS_EXPIRED") return "a certificate of its chain has expired";
  if (code === "CERT_NOT_YET_VALID") return "a certificate of its chain is not valid yet";
  if (code === "CERT_REVOKED") return "its certificate was revoked";
  if (/SELF_SIGNED|ISSUER_CERT|VERIFY_LEAF|UNTRUSTED|CERT_REJECTED|CERT_SIGNATURE_FAILURE|INVALID_CA/.test(code)) {
    return "its certificate was not issued by a trusted authority";
  }
  if (/PURPOSE|PATH_LENGTH|CHAIN_TOO_LONG|UNSUPPORTED/.test(code)) return `its certificate is of a kind that cannot be checked (${code})`;
  return `its certificate could not be checked (${code})`;
}
