import { type DialRequest, KwikError } from "@kwik/core";
import { readServerCertificate, type ServerCertificate } from "./server-certificate.ts";

/** Longest life of a certificate that a browser accepts by its hash, in milliseconds: the WebTransport specification's two weeks. */
const MAX_VALIDITY_MS = 14 * 86_400_000;

/** Which servers a browser is told to believe. */
export interface AcceptedCertificates {
  /** SHA-256 of the only certificates that will do; undefined for the browser's own authorities and the host name. */
  readonly hashes: readonly Uint8Array[] | undefined;
  /** What a connection proves by coming up; undefined where several servers could have answered, or any of that name. */
  readonly identity: string | undefined;
}

/**
 * What a dial's trust means in a browser. Rejects with NOT_SUPPORTED (a kind of trust that no browser has), NOT_TRUSTED (nothing could prove what is
 * asked for), INVALID_ARGUMENT (no certificates). docs/decisions/0015-the-browser.md
 */
export async function acceptedCertificates(request: DialRequest, nowMs: number): Promise<AcceptedCertificates> {
  refuseUnsupported(request);
  const { identity } = request;
  const { certificates } = request.trust;
  if (certificates === undefined) {
    if (identity === undefined) return { hashes: undefined, identity: undefined };
    throw new KwikError("NOT_TRUSTED", `a browser cannot check that a server has the key ${identity}; ${ADVICE}`);
  }
  if (certificates.length === 0) throw new KwikError("INVALID_ARGUMENT", "trust.certificates is empty: no server would be accepted");
  const all = await Promise.all(certificates.map(readServerCertificate));
  const ofIdentity = identity === undefined ? all : all.filter((certificate) => certificate.identity === identity);
  if (ofIdentity.length === 0) {
    throw new KwikError("NOT_TRUSTED", `none of the certificates in trust.certificates has the key ${identity}; ${ADVICE}`);
  }
  const usable = ofIdentity.filter((certificate) => objection(certificate, nowMs) === undefined);
  const [first] = usable;
  if (first === undefined) {
    const reason = objection(ofIdentity[0] as ServerCertificate, nowMs) ?? "";
    throw new KwikError("NOT_TRUSTED", `a browser does not accept the certificate in trust.certificates: ${reason}`);
  }
  const isOne = usable.every((certificate) => certificate.identity === first.identity);
  return { hashes: usable.map(({ hash }) => hash), identity: isOne ? first.identity : undefined };
}

const ADVICE = "give that server's certificate in trust.certificates";

function refuseUnsupported({ trust, identity, clientCertificate }: DialRequest): void {
  const refuse = (what: string): never => {
    throw new KwikError("NOT_SUPPORTED", `${what}; give the servers' own certificates in trust.certificates`);
  };
  if (trust.ca !== undefined) refuse("a browser takes no certificate authorities from a page (trust.ca)");
  // The identity that a server is dialled for comes as its pin too.
  if (trust.pins.some((pin) => pin !== identity)) refuse("a browser shows no keys of servers to a page (trust.pins)");
  if (trust.dangerouslyTrustAnyServer) refuse("a browser does not let a page believe just anybody (trust.dangerouslyTrustAnyServer)");
  if (clientCertificate !== undefined) {
    throw new KwikError("NOT_SUPPORTED", "a browser lets no page choose a client certificate (credentials.cert); use credentials.token");
  }
}

/** Why a browser will not accept the certificate by its hash, if it will not. */
function objection({ notBeforeMs, notAfterMs, isEcdsa }: ServerCertificate, nowMs: number): string | undefined {
  if (!isEcdsa) return "its key is not one for ECDSA, and nothing else will do";
  if (notAfterMs - notBeforeMs > MAX_VALIDITY_MS) return "it is valid for more than 14 days; let the server make one for at most 13";
  if (nowMs < notBeforeMs) return `it is not valid before ${new Date(notBeforeMs).toISOString()}; look at the clocks`;
  if (nowMs > notAfterMs) return `it has expired at ${new Date(notAfterMs).toISOString()}; let the server make a new one`;
  return undefined;
}
