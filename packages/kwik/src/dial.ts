import {
  checkDialOptions,
  type ClientSession,
  type DialOptions,
  dialWith,
  KwikError,
  parseTransportName,
  type TrustOptions,
} from "@kwik/core";
import { readRevocationList } from "@kwik/trust";
import { withPins } from "./certificate-pins.ts";
import { environment } from "./environment.ts";

/**
 * Opens a session at `target` ("kwik://host:port"; port 4433 if none is given). The session later uses paths to further servers: those
 * in `options.servers`, and those that a server adds. The environment variable KWIK_TRANSPORT stands for `options.transport` where that is not set.
 *
 * Rejects with a KwikError: UNREACHABLE, NOT_TRUSTED, AUTH_REFUSED, TIMEOUT, ABORTED, INVALID_ARGUMENT.
 */
export async function dial(target: string | URL, options: DialOptions = {}): Promise<ClientSession> {
  checkDialOptions(options);
  const transport = options.transport ?? parseTransportName(process.env["KWIK_TRANSPORT"]);
  const revoked = await revokedIn(options.trust);
  return dialWith({ ...environment(), ...(revoked === undefined ? {} : { revoked }) }, target, {
    ...options,
    ...(transport === undefined ? {} : { transport }),
    ...withPins(options),
  });
}

/** The keys on a list of revoked ones. Rejects with INVALID_ARGUMENT or NOT_TRUSTED. */
async function revokedIn({ revoked, ca }: TrustOptions = {}): Promise<readonly string[] | undefined> {
  if (revoked === undefined) return undefined;
  if (ca === undefined)
    throw new KwikError("INVALID_ARGUMENT", "trust.revoked is signed by the authority; give its certificate too (trust.ca)");
  return (await readRevocationList(revoked, ca)).revoked.map((entry) => entry.identity);
}
