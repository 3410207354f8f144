import { isIP } from "node:net";
import { type DialRequest, formatAddress, KwikError, type ServerAddress } from "@kwik/core";
import { resolveHost } from "./resolve-host.ts";

/** Addresses of a name that somebody else gave, at most: whoever owns a name can let it stand for a whole network. */
const MAX_CHECKED_ADDRESSES = 4;

/**
 * The addresses at which to dial a server, in the order in which to try them: `ip` alone if that is known; if its host is a name and there is `checkResolved`, the first four of
 * those that it was shown. Rejects with UNREACHABLE, or with ADDRESS_REFUSED if `checkResolved` says no.
 */
export async function resolveServer({
  address,
  ip,
  checkResolved,
}: Pick<DialRequest, "address" | "ip" | "checkResolved">): Promise<readonly ServerAddress[]> {
  const { host, port } = address;
  if (ip !== undefined) return [{ host: ip, port }];
  const ips = await resolveHost(host);
  if (isIP(host) === 0 && checkResolved !== undefined) {
    const refusal = checkResolved(ips);
    if (refusal !== undefined) throw new KwikError("ADDRESS_REFUSED", `${formatAddress(address)} is refused: ${refusal}`);
    return ips.slice(0, MAX_CHECKED_ADDRESSES).map((ip) => ({ host: ip, port }));
  }
  return ips.map((ip) => ({ host: ip, port }));
}
