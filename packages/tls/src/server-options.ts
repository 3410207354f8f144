import type { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { TlsOptions } from "node:tls";
import { KwikError, type ListenRequest } from "@kwik/core";
import { HANDSHAKE_TIMEOUT_MS } from "./listen-limits.ts";

/**
 * What TLS needs of a server: version 1.3, and with `authorities` it asks clients for a certificate, which `verifyClient` judges. Throws
 * INVALID_ARGUMENT if certificate and key cannot be used.
 */
export function serverOptions(
  { cert, key }: ListenRequest["tls"],
  authorities: readonly X509Certificate[] | undefined,
  handshakeTimeoutMs: number = HANDSHAKE_TIMEOUT_MS,
): TlsOptions {
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KwikError("INVALID_ARGUMENT", `the certificate and key cannot be used; they must be PEM and belong together (${message})`, {
      cause,
    });
  }
  return {
    cert,
    key,
    minVersion: "TLSv1.3",
    handshakeTimeout: handshakeTimeoutMs,
    requestCert: authorities !== undefined,
    // audited: decided by `verifyClient`, in words: Node would also refuse clients without a certificate.
    rejectUnauthorized: false,
    ...(authorities === undefined ? {} : { ca: authorities.map(String) }),
  };
}
