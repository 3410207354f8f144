import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { KwikError, parseIdentity, privateNameOf, type TrustAnchor } from "@kwik/core";
import { hasAuthorityVoucher } from "./authority-voucher.ts";
import { identityOf } from "./identity.ts";

/**
 * What to trust on the second connection to a pinned server, given what it claimed on the first (see decision 0004). The claim is
 * hostile until shown otherwise: a pin fixes a key, not a certificate, so only what that key signed is believed. Either the certificate
 * is signed by the pinned key itself, or the pinned key vouches for the authority that issued it.
 * Throws NOT_TRUSTED, the reason in its text. Matches core's `PinResolver`.
 */
export function trustAnchorFor(chainPem: string, acceptable: readonly string[], nowMs: number = Date.now()): TrustAnchor {
  const pins = acceptable.map(parseIdentity);
  const [leaf, ...others] = readClaim(chainPem);
  const identity = identityOf(leaf);
  if (!pins.includes(identity)) {
    throw untrusted(`its key is ${identity}, and expected was ${pins.join(" or ")}`);
  }
  checkLeaf(leaf, identity, nowMs);
  const serverName = privateNameOf(identity);
  if (isSelfSigned(leaf)) return { ca: leaf.toString(), serverName, identity };
  const authority = others.find((candidate) => isIssuedBy(leaf, candidate) && isSelfSigned(candidate));
  if (authority === undefined)
    throw untrusted("its certificate is not signed by its own key, and it does not show the authority that signed it");
  if (!hasAuthorityVoucher(chainPem, leaf.publicKey, authority)) {
    throw untrusted(
      "its certificate comes from an authority that its key does not vouch for; dial with the authority (ca) instead of the pin",
    );
  }
  checkDates(authority, nowMs);
  return { ca: authority.toString(), serverName, identity };
}

/**
 * What to trust on the second connection to a server under a known authority, dialled by IP address or by name: the engine compares names only, and shows no key, so
 * the host is checked here, in a certificate that one of the authorities signed directly. Throws NOT_TRUSTED, and INVALID_ARGUMENT
 * if `ca` is not PEM. Matches core's `AuthorityResolver`.
 */
export function trustAnchorUnder(chainPem: string, ca: string, host: string, nowMs: number = Date.now()): TrustAnchor {
  const [leaf] = readClaim(chainPem);
  const authorities = readAuthorities(ca);
  if (!authorities.some((authority) => isIssuedBy(leaf, authority)))
    throw untrusted("its certificate does not come directly from the given authority");
  const identity = identityOf(leaf);
  checkLeaf(leaf, identity, nowMs);
  if (!isFor(leaf, host)) throw untrusted(`its certificate is not for ${host}`);
  return { ca, serverName: privateNameOf(identity), identity };
}

function isFor(leaf: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return leaf.checkIP(host) !== undefined;
  const name = domainToASCII(host) || host;
  // To OpenSSL a name that begins with a dot stands for all names below it.
  return !name.startsWith(".") && leaf.checkHost(name, { subject: "never", partialWildcards: false }) !== undefined;
}

/** Certificates that a server may claim at most, and characters of the claim. */
const maxCertificates = 8;
const maxClaimLength = 65_536;

function readClaim(chainPem: string): [X509Certificate, ...X509Certificate[]] {
  if (chainPem.length > maxClaimLength) throw untrusted("it claims an oversized certificate chain");
  const certificates = readCertificates(chainPem) ?? [];
  if (certificates.length > maxCertificates) throw untrusted(`it shows more than ${maxCertificates} certificates`);
  const [leaf, ...others] = certificates;
  if (leaf === undefined) throw untrusted("it shows no readable certificate");
  return [leaf, ...others];
}

function readAuthorities(ca: string): X509Certificate[] {
  const authorities = readCertificates(ca);
  if (authorities === undefined || authorities.length === 0)
    throw new KwikError("INVALID_ARGUMENT", "the given authority (ca) is not a certificate in PEM");
  return authorities;
}

function readCertificates(pem: string): X509Certificate[] | undefined {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

function checkLeaf(leaf: X509Certificate, identity: string, nowMs: number): void {
  checkDates(leaf, nowMs);
  if (leaf.checkHost(privateNameOf(identity), { subject: "never", wildcards: false }) === undefined) {
    throw untrusted(
      "its certificate lacks the private name of its key, so it cannot be dialled by pin; make it with kwik, or give the authority (ca)",
    );
  }
}

function checkDates(certificate: X509Certificate, nowMs: number): void {
  if (nowMs > Date.parse(certificate.validTo)) throw untrusted(`a certificate expired on ${certificate.validTo}; renew it at the server`);
  if (nowMs < Date.parse(certificate.validFrom))
    throw untrusted(`a certificate is valid only from ${certificate.validFrom}; check the clocks`);
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && signedBy(certificate, certificate);
}

function isIssuedBy(leaf: X509Certificate, authority: X509Certificate): boolean {
  return authority.ca && leaf.issuer === authority.subject && signedBy(leaf, authority);
}

function signedBy(certificate: X509Certificate, signer: X509Certificate): boolean {
  try {
    return certificate.verify(signer.publicKey);
  } catch {
    return false;
  }
}

function untrusted(reason: string): KwikError {
  return new KwikError("NOT_TRUSTED", `the server cannot be trusted: ${reason}`, { remote: true });
}
