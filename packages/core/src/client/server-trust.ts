import type { TrustOptions } from "../api/options.ts";
import type { ServerTrust } from "../transport/transport.ts";

/** A server that another one vouches for by its key need not be among the user's pins; under a CA it must still verify. */
export function trustFor(trust: TrustOptions, identity: string | undefined, revoked: readonly string[] | undefined): ServerTrust {
  return {
    ca: trust.ca,
    pins: identity === undefined ? (trust.pins ?? []) : [identity],
    certificates: trust.certificates,
    revoked,
    dangerouslyTrustAnyServer: identity === undefined && trust.dangerouslyTrustAnyServer === true,
  };
}
