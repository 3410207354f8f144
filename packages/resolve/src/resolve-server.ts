import { isIP } from "node:net";
import { type DialRequest, formatAddress, KwikError, type ServerAddress } from "@kwik/core";
import { resolveHost } from "./resolve-host.ts";

/**
 * The addresses at which to dial a server, in the order in which to try them: exactly those that `checkResolved` was shown, if its host is a
 * name. Rejects with UNREACHABLE, or with ADDRESS_REFUSED if `checkResolved` says no.
 */
export async function resolveServer({
  address,
  checkResolved,
}: Pick<DialRequest, "address" | "checkResolved">): Promise<readonly ServerAddress[]> {
  const { host, port } = address;
  const ips = await resolveHost(host);
  if (isIP(host) === 0) {
    const refusal = checkResolved?.(ips);
    if (refusal !== undefined) throw new KwikError("ADDRESS_REFUSED", `${formatAddress(address)} is refused: ${refusal}`);
  }
  return ips.map((ip) => ({ host: ip, port }));
}
