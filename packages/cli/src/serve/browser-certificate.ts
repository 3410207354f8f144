import { createHash, X509Certificate } from "node:crypto";

/** How long a certificate that browsers take by its hash may live, from its first day to its last, in days. */
const MAX_HASHED_DAYS = 14;

const DAY_MS = 86_400_000;

/** A server's certificate, as a page has to know it. */
export interface BrowserCertificate {
  /** SHA-256 of the certificate in DER, hex: what a browser compares. */
  readonly hash: string;
  readonly validUntil: Date;
  /** Why browsers do not take it by its hash; undefined if they do. */
  readonly flaw: string | undefined;
}

/** Looks at the first certificate of a chain in PEM. */
export function browserCertificate(pem: string): BrowserCertificate {
  const certificate = new X509Certificate(pem);
  return {
    hash: createHash("sha256").update(certificate.raw).digest("hex"),
    validUntil: new Date(certificate.validTo),
    flaw: flawOf(certificate),
  };
}

/** The rules of WebTransport's serverCertificateHashes, and what Chromium makes of them. */
function flawOf(certificate: X509Certificate): string | undefined {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  if (asymmetricKeyType !== "ec" || asymmetricKeyDetails?.namedCurve !== "prime256v1") return "its key is not ECDSA with P-256";
  const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / DAY_MS;
  if (days > MAX_HASHED_DAYS) return `it is valid for ${days.toFixed(2)} days, more than ${MAX_HASHED_DAYS}`;
  return undefined;
}
