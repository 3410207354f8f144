import { dialPlan } from "@kwik/core";
import type { DialRequest, Link } from "@kwik/core";
import { raceAddresses, resolveServer } from "@kwik/resolve";
import { clientContext, plaintextUntrusted, serverNameOf } from "@kwik/tls";
import { connectTcp } from "./connect.ts";
import type { TlsRequest } from "./connect-over.ts";
import type { TlsSessions } from "./tls-sessions.ts";

/** Dials a server: one handshake at whichever of its addresses answers first. Rejects as `Transport.dial` says, and with NOT_KWIK. */
export async function dialTcp(request: DialRequest, isPlaintext: boolean, sessions: TlsSessions): Promise<Link> {
  const deadline = performance.now() + request.timeoutMs;
  if (isPlaintext && !request.trust.dangerouslyTrustAnyServer) throw plaintextUntrusted();
  const tls = isPlaintext ? undefined : tlsRequest(request, sessions);
  const addresses = await resolveServer(request);
  return raceAddresses(addresses, request.signal, (address, signal) =>
    connectTcp({ address, tls, timeoutMs: Math.max(1, deadline - performance.now()), signal }),
  );
}

function tlsRequest({ address, trust, identity, clientCertificate }: DialRequest, sessions: TlsSessions): TlsRequest {
  const plan = dialPlan(address, trust, identity);
  const serverName = serverNameOf(address.host);
  return {
    context: clientContext(trust.ca, clientCertificate),
    serverName,
    plan,
    sessions: sessions.placeFor([plan, serverName, clientCertificate?.cert]),
  };
}
