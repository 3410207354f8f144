import { type ClusterOptions, type JoinAuthority, KwikError, TicketError } from "@kwik/core";
import { spkiIdentity } from "./identity.ts";
import { mintTicket, TicketVerifier, type TicketVerifierOptions } from "./join-ticket.ts";
import { readRevocationList, type RevocationList } from "./revocation-list.ts";

const defaultLifetimeMs = 30_000;
const nothingRevoked: RevocationList = { number: 0, revoked: [] };

/**
 * What makes and checks join tickets at the server `ownIdentity`. One per listener: it remembers the tickets that were used. Rejects with
 * INVALID_ARGUMENT for unusable keys, or a list of revoked keys without `ca`; NOT_TRUSTED for a list that is not the authority's.
 */
export async function joinAuthority(
  cluster: ClusterOptions,
  ownIdentity: string,
  options: TicketVerifierOptions = {},
): Promise<JoinAuthority> {
  const list = await revocationsOf(cluster);
  return new ClusterAuthority(cluster, list, ownIdentity, options);
}

class ClusterAuthority implements JoinAuthority {
  readonly #verifier: TicketVerifier;
  readonly #ownIdentity: string;
  readonly #now: () => number;
  #cluster: ClusterOptions;
  #list: RevocationList;
  #revoked: ReadonlySet<string>;

  constructor(cluster: ClusterOptions, list: RevocationList, ownIdentity: string, options: TicketVerifierOptions) {
    this.#verifier = new TicketVerifier(cluster.ticketVerifyKeys, ownIdentity, options);
    this.#ownIdentity = ownIdentity;
    this.#now = options.now ?? Date.now;
    this.#cluster = cluster;
    this.#list = list;
    this.#revoked = keysOf(list);
  }

  async update(cluster: ClusterOptions): Promise<void> {
    const list = await revocationsOf(cluster);
    // Whoever can put an old file in place must not bring back what was revoked.
    if (list.number < this.#list.number) {
      throw new KwikError(
        "INVALID_ARGUMENT",
        `the list of revoked keys is number ${list.number}, older than the one in use (${this.#list.number})`,
      );
    }
    this.#verifier.replaceKeys(cluster.ticketVerifyKeys);
    this.#cluster = cluster;
    this.#list = list;
    this.#revoked = keysOf(list);
  }

  isRevoked(identity: string): boolean {
    return this.#revoked.has(identity);
  }

  async mint(request: Parameters<JoinAuthority["mint"]>[0]): Promise<string> {
    const { sessionId, pathId, memberId, identity, clientKey, clientIdentity, certificateIdentity } = request;
    const { ticketSigningKey, ticketLifetimeMs = defaultLifetimeMs } = this.#cluster;
    if (ticketSigningKey === undefined) {
      throw new KwikError("NOT_SUPPORTED", "this server has no key to sign join tickets with; give `cluster.ticketSigningKey` to listen");
    }
    this.#refuseRevoked(identity);
    const claims = {
      session: sessionId,
      path: pathId,
      member: memberId,
      server: identity,
      clientKey: spkiIdentity(clientKey),
      clientIdentity,
      certificateIdentity,
    };
    return mintTicket(ticketSigningKey, claims, ticketLifetimeMs, this.#now());
  }

  async verify(
    ticket: string,
    { sessionId, pathId, memberId, clientKey }: Parameters<JoinAuthority["verify"]>[1],
  ): ReturnType<JoinAuthority["verify"]> {
    this.#refuseRevoked(this.#ownIdentity);
    const expected = { sessionId, pathId, memberId, clientKeyThumbprint: spkiIdentity(clientKey) };
    const { claims } = await this.#verifier.verify(ticket, expected);
    const { clientIdentity, certificateIdentity } = claims;
    return { clientIdentity, certificateIdentity };
  }

  #refuseRevoked(server: string): void {
    if (this.#revoked.has(server)) throw new TicketError("revoked", `the join ticket was refused: the server ${server} was revoked`);
  }
}

async function revocationsOf({ ca, revoked }: ClusterOptions): Promise<RevocationList> {
  if (revoked === undefined) return nothingRevoked;
  if (ca === undefined)
    throw new KwikError("INVALID_ARGUMENT", "cluster.revoked is signed by the authority; give its certificate too (cluster.ca)");
  return readRevocationList(revoked, ca);
}

function keysOf(list: RevocationList): ReadonlySet<string> {
  return new Set(list.revoked.map((entry) => entry.identity));
}
