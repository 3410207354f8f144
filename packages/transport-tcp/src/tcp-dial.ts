import type { Duplex } from "node:stream";
import { dialPlan, formatAddress } from "@kwik/core";
import type { DialRequest, Link } from "@kwik/core";
import { raceAddresses, resolveServer } from "@kwik/resolve";
import { clientContext, plaintextUntrusted, serverNameOf } from "@kwik/tls";
import { attemptAt } from "./attempt.ts";
import { connectTcp } from "./connect.ts";
import { connectTls, type TlsRequest } from "./connect-tls.ts";
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

/**
 * The same at the other end of a stream of bytes that leads to the server's TCP port; owns the stream from here on. `transport` is the name of what it is carried by. Nothing is
 * resumed: the handshakes on the way cost more.
 */
export async function dialOver(stream: Duplex, request: DialRequest, transport: string): Promise<Link> {
  const { address, timeoutMs, signal } = request;
  try {
    const tls = tlsRequest(request, undefined);
    const properties = { transport, remoteAddress: formatAddress({ host: address.host, port: address.port }), localAddress: undefined };
    return await connectTls({ socket: stream }, tls, () => properties, attemptAt(formatAddress(address), timeoutMs, signal));
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

function tlsRequest({ address, trust, identity, clientCertificate }: DialRequest, sessions: TlsSessions | undefined): TlsRequest {
  const plan = dialPlan(address, trust, identity);
  const serverName = serverNameOf(address.host);
  return {
    context: clientContext(trust.ca, clientCertificate),
    serverName,
    plan,
    sessions: sessions?.placeFor([plan, serverName, clientCertificate?.cert]),
  };
}
