import { createSecureContext } from "node:tls";
import type { SecureContext } from "node:tls";
import { type DialRequest, KwikError } from "@kwik/core";
import { parseAuthorities } from "./authorities.ts";

/** What TLS needs of a client: version 1.3, and without `ca` the authorities that Node trusts. Throws INVALID_ARGUMENT. */
export function clientContext(ca: string | undefined, clientCertificate: DialRequest["clientCertificate"]): SecureContext {
  const authorities = ca === undefined ? {} : { ca: parseAuthorities(ca).map(String) };
  try {
    return createSecureContext({
      minVersion: "TLSv1.3",
      ...authorities,
      ...(clientCertificate === undefined ? {} : { cert: clientCertificate.cert, key: clientCertificate.key }),
    });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KwikError(
      "INVALID_ARGUMENT",
      `the given client certificate and key cannot be used; they must be PEM and belong together (${message})`,
      { cause },
    );
  }
}
