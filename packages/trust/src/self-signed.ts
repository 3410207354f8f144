import { identityOf, privateNameOf } from "./identity.ts";
import { newServerKey, parseCertificateHost, privateKeyPem, signCertificate } from "./certificate.ts";

export interface SelfSignedOptions {
  /** Further host names and IP addresses, beside "localhost" and the key's private name. Default: none. */
  readonly names?: readonly string[];
  /** Default 13: under the two weeks that browsers allow for certificates pinned by hash. */
  readonly validDays?: number;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: number;
}

/** A server's certificate and key, PEM. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  /** "sha256:<hex of SPKI>" */
  readonly identity: string;
}

/**
 * A new key (ECDSA P-256) and a certificate for it that it signed itself; the certificate is its own trust anchor. Throws
 * INVALID_ARGUMENT for malformed names.
 */
export async function makeSelfSigned(options: SelfSignedOptions = {}): Promise<ServerCertificate> {
  const names = (options.names ?? []).map(parseCertificateHost);
  const pair = await newServerKey();
  const identity = identityOf(pair.publicKey);
  const commonName = `kwik server ${identity.slice(7, 23)}`;
  const cert = signCertificate(
    {
      commonName,
      publicKey: pair.publicKey,
      names: ["localhost", ...names, privateNameOf(identity)],
      isAuthority: false,
      validDays: options.validDays ?? 13,
      nowMs: options.now ?? Date.now(),
    },
    { commonName, ...pair },
  );
  return { cert, key: privateKeyPem(pair.privateKey), identity };
}
