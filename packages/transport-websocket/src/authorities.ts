import { X509Certificate } from "node:crypto";
import { KwikError } from "@kwik/core";
import { PEM_CERTIFICATE } from "./client-certificate.ts";

/** Node takes any text for authorities and then trusts nobody: says so at once, with INVALID_ARGUMENT. */
export function checkAuthorities(pem: string | undefined): void {
  if (pem === undefined) return;
  const blocks = pem.match(PEM_CERTIFICATE) ?? [];
  try {
    if (blocks.length === 0) throw new Error("there is no certificate in them");
    for (const block of blocks) new X509Certificate(block);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KwikError("INVALID_ARGUMENT", `the given certificate authorities cannot be used; they must be PEM (${message})`, { cause });
  }
}
