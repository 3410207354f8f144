import { X509Certificate } from "node:crypto";
import { KwikError } from "@kwik/core";

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Each certificate of a PEM text by itself; between them may stand anything. Throws INVALID_ARGUMENT if there is none, or one that cannot be
 * read: Node takes any text for authorities and then trusts nobody. `what` is for the error's text.
 */
export function parseAuthorities(pem: string, what = "certificate authorities"): X509Certificate[] {
  try {
    const blocks = pem.match(PEM_CERTIFICATE) ?? [];
    if (blocks.length === 0) throw new Error("there is no certificate in them");
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KwikError("INVALID_ARGUMENT", `the given ${what} cannot be used; they must be PEM (${message})`, { cause });
  }
}
