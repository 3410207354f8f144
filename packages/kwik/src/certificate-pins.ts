import { X509Certificate } from "node:crypto";
import { type DialOptions, KwikError } from "@kwik/core";
import { identityOf } from "@kwik/trust";

/** Node's transports see the servers' keys: `trust.certificates` are pins of theirs. Throws INVALID_ARGUMENT. */
export function withPins({ trust }: Pick<DialOptions, "trust">): Pick<DialOptions, "trust"> {
  if (trust === undefined) return {};
  const { certificates, ...others } = trust;
  if (certificates === undefined) return { trust };
  if (certificates.length === 0) throw new KwikError("INVALID_ARGUMENT", "trust.certificates is empty: no server would be accepted");
  return { trust: { ...others, pins: [...(trust.pins ?? []), ...certificates.map(identityOfCertificate)] } };
}

function identityOfCertificate(pem: string): string {
  try {
    return identityOf(new X509Certificate(pem));
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", "trust.certificates holds what is no certificate; give the text of the server's PEM file", {
      cause,
    });
  }
}
