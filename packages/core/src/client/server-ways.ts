import type { SessionPath } from "@kwik/proto";
import { formatAddress, parseAddress, type Relay, type ServerAddress } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import { raceLinks } from "../transport/race-links.ts";

/** How long the session's first server is dialled directly before it is dialled through relays too. */
const RELAY_HEAD_START_MS = 1_000;

/** A link, and the way it leads. */
export interface ReachedServer {
  readonly link: Link;
  readonly address: ServerAddress;
}

/** The user's servers, and the ways to each: directly, and through every relay. spec: RELAY-3 */
export class ServerWays {
  readonly #relays: readonly Relay[];
  /** By their names, which nobody can read back. */
  readonly #relayed = new Map<string, ServerAddress>();

  constructor(relays: readonly Relay[]) {
    this.#relays = relays;
  }

  /** All ways to a server that the user named, the direct one first. */
  to(server: ServerAddress): readonly ServerAddress[] {
    const relayed = this.#relays.map((relay) => ({ ...server, relay }));
    for (const way of relayed) this.#relayed.set(formatAddress(way), way);
    return [server, ...relayed];
  }

  of(path: SessionPath): ServerAddress {
    return this.#relayed.get(path.address) ?? parseAddress(path.address);
  }
}

/** Dials in the first of the ways that leads to the server; each further one begins later, or when those before it have failed. Rejects as `raceLinks`. */
export async function reachFirst(
  ways: readonly ServerAddress[],
  dial: (way: ServerAddress, signal: AbortSignal) => Promise<Link>,
  signal: AbortSignal | undefined,
): Promise<ReachedServer> {
  const reached = new Map<Link, ServerAddress>();
  const attempts = ways.map((way) => async (either: AbortSignal) => {
    const link = await dial(way, either);
    reached.set(link, way);
    return link;
  });
  const link = await raceLinks(attempts, RELAY_HEAD_START_MS, signal);
  return { link, address: reached.get(link) as ServerAddress };
}
