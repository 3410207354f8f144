import { checkDialOptions, type ClientSession, type DialOptions, dialWith, parseTransportName } from "@kwik/core";
import { withPins } from "./certificate-pins.ts";
import { environment } from "./environment.ts";
import { withRevoked } from "./revoked-keys.ts";

/**
 * Opens a session at `target` ("kwik://host:port"; port 4433 if none is given). The session later uses paths to further servers: those
 * in `options.servers`, and those that a server adds. The environment variable KWIK_TRANSPORT stands for `options.transport` where that is not set.
 *
 * Rejects with a KwikError: UNREACHABLE, NOT_TRUSTED, AUTH_REFUSED, TIMEOUT, ABORTED, INVALID_ARGUMENT.
 */
export async function dial(target: string | URL, options: DialOptions = {}): Promise<ClientSession> {
  checkDialOptions(options);
  const transport = options.transport ?? parseTransportName(process.env["KWIK_TRANSPORT"]);
  return dialWith({ ...environment(), ...(await withRevoked(options)) }, target, {
    ...options,
    ...(transport === undefined ? {} : { transport }),
    ...withPins(options),
  });
}
