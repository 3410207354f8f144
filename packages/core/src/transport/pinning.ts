import { KwikError } from "../api/errors.ts";
import { parseIp } from "../policy/ip-address.ts";
import type { ServerAddress } from "./address.ts";
import type { ServerTrust } from "./transport.ts";

/** What a verified connection is to be dialled with. */
export interface TrustAnchor {
  /** The one certificate to verify against, PEM. */
  readonly ca: string;
  /** The name that the server's certificate must carry. */
  readonly serverName: string;
  /** What the connection proves when it comes up: "sha256:<hex of SPKI>". */
  readonly identity: string;
}

/**
 * From what a server *claimed* over an unverified connection (PEM, hostile until proven) and the acceptable identities, the trust
 * anchor of a second connection that only the holder of an acceptable key can answer.
 * Throws KwikError NOT_TRUSTED.
 */
export type PinResolver = (chainPem: string, acceptable: readonly string[]) => TrustAnchor;

/**
 * The same where an authority is trusted, and the server was dialled by IP address or its key has to be known: the claimed certificate must come from `ca` and
 * carry `host`, a name or an IP address. Throws KwikError NOT_TRUSTED.
 */
export type AuthorityResolver = (chainPem: string, ca: string, host: string) => TrustAnchor;

/** How to dial a server so that it is verified; decision 0004 has the table. */
export type DialPlan =
  /** One connection. `identity` is what it proves, if anything beyond the name. */
  | { readonly kind: "direct"; readonly ca: string | undefined; readonly serverName: string; readonly identity: string | undefined }
  /** Ask the server for its certificate over an unverified connection, give it to the PinResolver, dial what that answers. */
  | {
      readonly kind: "query-pin";
      readonly acceptable: readonly string[] /** Replaces the resolver's anchor if set. */;
      readonly ca: string | undefined;
    }
  /** The same with the AuthorityResolver. */
  | {
      readonly kind: "query-authority";
      readonly ca: string;
      readonly host: string /** Identities that will not do. */;
      readonly revoked: readonly string[];
    }
  /** No verification at all. */
  | { readonly kind: "unverified"; readonly serverName: string };

/** Parent of all private names. ".internal" is reserved for private use: no public authority issues below it. */
export const PRIVATE_NAME_SUFFIX = "id.kwik.internal";

/** Whether a text is an identity: "sha256:" and 64 lower-case hex digits. */
export function isIdentity(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** An identity in its one form, from what a person may have typed (case, blanks around it). Throws INVALID_ARGUMENT. */
export function parseIdentity(text: string): string {
  const identity = text.trim().toLowerCase();
  if (isIdentity(identity)) return identity;
  throw new KwikError(
    "INVALID_ARGUMENT",
    `"${text.slice(0, 100)}" is not an identity; write sha256: and 64 hex digits, as \`kwik serve\` prints it`,
  );
}

/** The DNS name that stands for a key: 52 base32 digits of its hash below `PRIVATE_NAME_SUFFIX`. Throws INVALID_ARGUMENT. */
export function privateNameOf(identity: string): string {
  const hex = parseIdentity(identity).slice("sha256:".length);
  return `${base32OfHex(hex)}.${PRIVATE_NAME_SUFFIX}`;
}

/**
 * Chooses how to verify a server. `identity` is the key that it must prove; without it any server that `trust` accepts will do.
 * Throws NOT_TRUSTED where nothing could verify the server, INVALID_ARGUMENT for a malformed identity or pin, NOT_SUPPORTED for certificates: whoever
 * makes transports of this kind turns them into pins.
 */
export function dialPlan(address: ServerAddress, trust: ServerTrust, identity: string | undefined): DialPlan {
  if (trust.certificates !== undefined) {
    throw new KwikError("NOT_SUPPORTED", "this transport believes keys, not certificates; give their identities as pins");
  }
  const host = address.host.toLowerCase().replace(/\.$/, "");
  const isIp = parseIp(host) !== undefined;
  if (trust.dangerouslyTrustAnyServer) return { kind: "unverified", serverName: isIp ? "localhost" : host };
  const { revoked = [] } = trust;
  const wanted = (identity === undefined ? trust.pins : [identity]).map(parseIdentity);
  const acceptable = wanted.filter((one) => !revoked.includes(one));
  if (acceptable.length === 0 && wanted.length > 0) throw new KwikError("NOT_TRUSTED", `the key ${wanted.join(" or ")} was revoked`);
  const only = acceptable.length === 1 ? acceptable[0] : undefined;
  if (trust.ca !== undefined && only !== undefined) {
    return { kind: "direct", ca: trust.ca, serverName: privateNameOf(only), identity: only };
  }
  if (acceptable.length > 0) return { kind: "query-pin", acceptable, ca: trust.ca };
  // Whether a key was revoked is known only of a key that is known.
  if (trust.ca !== undefined && (isIp || revoked.length > 0)) return { kind: "query-authority", ca: trust.ca, host, revoked };
  if (!isIp) return { kind: "direct", ca: trust.ca, serverName: host, identity: undefined };
  throw new KwikError(
    "NOT_TRUSTED",
    `the system's authorities cannot verify the IP address ${host}; dial a host name, pin the identity, or give the authority (ca)`,
  );
}

const base32Digits = "abcdefghijklmnopqrstuvwxyz234567";

function base32OfHex(hex: string): string {
  let text = "";
  let buffer = 0;
  let bits = 0;
  for (const digit of hex) {
    buffer = (buffer << 4) | Number.parseInt(digit, 16);
    bits += 4;
    if (bits < 5) continue;
    bits -= 5;
    text += base32Digits.charAt((buffer >> bits) & 31);
    buffer &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + base32Digits.charAt((buffer << (5 - bits)) & 31);
}
