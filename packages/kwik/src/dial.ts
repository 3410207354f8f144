import { type ClientSession, type DialOptions, dialWith } from "@kwik/core";
import { environment } from "./environment.ts";

/**
 * Opens a session at `target` ("kwik://host:port"; port 4433 if none is given). The session later uses paths to further servers: those
 * in `options.servers`, and those that a server adds.
 *
 * Rejects with a KwikError: UNREACHABLE, NOT_TRUSTED, AUTH_REFUSED, TIMEOUT, ABORTED, INVALID_ARGUMENT.
 */
export function dial(target: string | URL, options: DialOptions = {}): Promise<ClientSession> {
  return dialWith(environment(), target, options);
}
