import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import type { SecureContext } from "node:tls";
import { dialPlan, formatAddress, KwikError } from "@kwik/core";
import type { DialRequest, Link, ServerAddress } from "@kwik/core";
import { raceAddresses, resolveHost } from "@kwik/resolve";
import { connectTcp } from "./connect.ts";
import type { TlsRequest } from "./connect.ts";
import { pemCertificates } from "./pem-certificates.ts";
import { proofOf } from "./server-proof.ts";
import type { TlsSessions } from "./tls-sessions.ts";

/** Dials a server: one handshake at whichever of its addresses answers first. Rejects as `Transport.dial` says, and with NOT_KWIK. */
export async function dialTcp(request: DialRequest, isPlaintext: boolean, sessions: TlsSessions): Promise<Link> {
  const deadline = performance.now() + request.timeoutMs;
  if (isPlaintext) allowPlaintext(request);
  const tls = isPlaintext ? undefined : tlsRequest(request, sessions);
  const addresses = await resolve(request);
  return raceAddresses(addresses, request.signal, (address, signal) =>
    connectTcp({ address, tls, timeoutMs: Math.max(1, deadline - performance.now()), signal }),
  );
}

function allowPlaintext(request: DialRequest): void {
  if (request.trust.dangerouslyTrustAnyServer) return;
  throw new KwikError(
    "NOT_TRUSTED",
    "without TLS (dangerouslyPlaintext) no server can prove who it is; dial with dangerouslyTrustAnyServer, in tests only",
  );
}

function tlsRequest(request: DialRequest, sessions: TlsSessions): TlsRequest {
  const plan = dialPlan(request.address, request.trust, request.identity);
  const proof = proofOf(plan);
  const host = request.address.host.toLowerCase().replace(/\.$/, "");
  const serverName = isIP(host.replace(/%.*$/, "")) === 0 ? host : "";
  return {
    context: secureContext(proof?.ca, request.clientCertificate),
    serverName,
    proof,
    sessions: sessions.placeFor([proof, serverName, request.clientCertificate?.cert]),
  };
}

/** What TLS needs of ours; without `ca`, the authorities that Node trusts. Throws INVALID_ARGUMENT. */
function secureContext(ca: string | undefined, clientCertificate: DialRequest["clientCertificate"]): SecureContext {
  try {
    return createSecureContext({
      minVersion: "TLSv1.3",
      ...(ca === undefined ? {} : { ca: pemCertificates(ca).map(String) }),
      ...(clientCertificate === undefined ? {} : { cert: clientCertificate.cert, key: clientCertificate.key }),
    });
  } catch (error) {
    const what = clientCertificate === undefined ? "certificate authorities" : "certificate authorities or the client certificate";
    const message = error instanceof Error ? error.message : String(error);
    throw new KwikError("INVALID_ARGUMENT", `the given ${what} cannot be used; they must be PEM (${message})`, { cause: error });
  }
}

async function resolve(request: DialRequest): Promise<readonly ServerAddress[]> {
  const { host, port } = request.address;
  const ips = await resolveHost(host);
  if (isIP(host) === 0) {
    const refusal = request.checkResolved?.(ips);
    if (refusal !== undefined) throw new KwikError("ADDRESS_REFUSED", `${formatAddress(request.address)} is refused: ${refusal}`);
  }
  return ips.map((ip) => ({ host: ip, port }));
}
