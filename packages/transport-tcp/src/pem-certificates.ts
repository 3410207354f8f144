import { X509Certificate } from "node:crypto";

/** Each certificate of a PEM text by itself. Throws if there is none, or one that cannot be read: Node would overlook it in `ca`. */
export function pemCertificates(pem: string): X509Certificate[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw new Error("there is no certificate in it");
  return found.map((each) => new X509Certificate(each));
}
