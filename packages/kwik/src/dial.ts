import { X509Certificate } from "node:crypto";
import {
  checkDialOptions,
  type ClientSession,
  type DialOptions,
  dialWith,
  KwikError,
  parseTransportName,
  type TrustOptions,
} from "@kwik/core";
import { identityOf } from "@kwik/trust";
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
  return dialWith(environment(), target, {
    ...options,
    ...(transport === undefined ? {} : { transport }),
    ...(options.trust === undefined ? {} : { trust: withPins(options.trust) }),
  });
}

/** Node's transports see the servers' keys: certificates are pins of theirs. Throws INVALID_ARGUMENT. */
function withPins({ certificates, ...trust }: TrustOptions): TrustOptions {
  if (certificates === undefined) return trust;
  if (certificates.length === 0) throw new KwikError("INVALID_ARGUMENT", "trust.certificates is empty: no server would be accepted");
  return { ...trust, pins: [...(trust.pins ?? []), ...certificates.map(identityOfCertificate)] };
}

function identityOfCertificate(pem: string): string {
  try {
    return identityOf(new X509Certificate(pem));
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", "trust.certificates holds what is no certificate; give the text of the server's PEM file", {
      cause,
    });
  }
}
