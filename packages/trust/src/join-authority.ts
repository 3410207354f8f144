import { type ClusterOptions, type JoinAuthority, KwikError } from "@kwik/core";
import { spkiIdentity } from "./identity.ts";
import { mintTicket, TicketVerifier, type TicketVerifierOptions } from "./join-ticket.ts";

const defaultLifetimeMs = 30_000;

/**
 * What makes and checks join tickets at the server `ownIdentity`. One per listener: it remembers the tickets that were used. Throws
 * INVALID_ARGUMENT for unusable keys.
 */
export function joinAuthority(cluster: ClusterOptions, ownIdentity: string, options: TicketVerifierOptions = {}): JoinAuthority {
  const verifier = new TicketVerifier(cluster.ticketVerifyKeys, ownIdentity, options);
  const now = options.now ?? Date.now;
  const { ticketSigningKey, ticketLifetimeMs = defaultLifetimeMs } = cluster;
  return {
    async mint({ sessionId, pathId, memberId, identity, clientKey }) {
      if (ticketSigningKey === undefined) {
        throw new KwikError("NOT_SUPPORTED", "this server has no key to sign join tickets with; give `cluster.ticketSigningKey` to listen");
      }
      const claims = { session: sessionId, path: pathId, member: memberId, server: identity, clientKey: spkiIdentity(clientKey) };
      return mintTicket(ticketSigningKey, claims, ticketLifetimeMs, now());
    },
    async verify(ticket, { sessionId, pathId, memberId, clientKey }) {
      await verifier.verify(ticket, { sessionId, pathId, memberId, clientKeyThumbprint: spkiIdentity(clientKey) });
    },
  };
}
