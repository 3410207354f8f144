import { X509Certificate, type KeyObject } from "node:crypto";
import { KwikError, isIdentity } from "@kwik/core";
import { compactVerify, CompactSign } from "jose";
import { identityOf } from "./identity.ts";

/** A server, or a client with a certificate of the cluster, that is not to be believed any more. */
export interface RevokedKey {
  /** "sha256:<hex of SPKI>" */
  readonly identity: string;
  /** Milliseconds since 1970, to the second. */
  readonly revokedAtMs: number;
  /** For people; may be empty. */
  readonly reason: string;
}

/** What an authority has revoked so far. */
export interface RevocationList {
  /** Grows with each list of the authority: of two, the one with the larger number is newer. */
  readonly number: number;
  readonly revoked: readonly RevokedKey[];
}

const type = "kwik-revoked+json";
const signature = "ES256";
/** Of the text, in characters: some 30000 keys. */
const maxLength = 4 * 1024 * 1024;
const maxReasonLength = 200;

/**
 * Signs a list with the authority's key: a JWS (RFC 7515) in compact form, `alg` ES256, `typ` kwik-revoked+json, `kid` the authority's identity. Rejects with
 * INVALID_ARGUMENT for what is no identity.
 */
export async function signRevocationList(list: RevocationList, authority: X509Certificate, privateKey: KeyObject): Promise<string> {
  const revoked = list.revoked.map(({ identity, revokedAtMs, reason }) => {
    if (!isIdentity(identity)) throw new KwikError("INVALID_ARGUMENT", `"${identity.slice(0, 100)}" is not an identity`);
    return { key: identity, at: Math.floor(revokedAtMs / 1000), reason: reason.slice(0, maxReasonLength) };
  });
  const payload = new TextEncoder().encode(JSON.stringify({ number: list.number, revoked }));
  return new CompactSign(payload).setProtectedHeader({ alg: signature, typ: type, kid: identityOf(authority) }).sign(privateKey);
}

/**
 * Reads a list that one of the authorities (PEM) has signed. Rejects with NOT_TRUSTED if none has, INVALID_ARGUMENT if it is no list, or `ca` no
 * certificates.
 */
export async function readRevocationList(text: string, ca: string): Promise<RevocationList> {
  if (text.length > maxLength) throw new KwikError("INVALID_ARGUMENT", `a list of revoked keys has at most ${maxLength} characters`);
  const authorities = authoritiesOf(ca);
  let payload: Uint8Array;
  try {
    const verified = await compactVerify(
      text.trim(),
      (header) => {
        const key = header.typ === type ? authorities.get(header.kid ?? "") : undefined;
        if (key === undefined) throw new KwikError("NOT_TRUSTED", "the list of revoked keys is not signed by the given authority (ca)");
        return key;
      },
      { algorithms: [signature] },
    );
    ({ payload } = verified);
  } catch (error) {
    if (error instanceof KwikError) throw error;
    throw new KwikError("NOT_TRUSTED", "the list of revoked keys is malformed, or not signed by the given authority (ca)", {
      cause: error,
    });
  }
  return parseList(payload);
}

function parseList(payload: Uint8Array): RevocationList {
  const malformed = (what: string): KwikError => new KwikError("INVALID_ARGUMENT", `the list of revoked keys cannot be read: ${what}`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    throw malformed("it is not JSON");
  }
  const { number, revoked } = (typeof json === "object" && json !== null ? json : {}) as { number?: unknown; revoked?: unknown };
  if (!Number.isSafeInteger(number) || (number as number) < 0) throw malformed("it has no number");
  if (!Array.isArray(revoked)) throw malformed("it names no keys");
  return {
    number: number as number,
    revoked: revoked.map((entry: unknown) => {
      const { key, at, reason } = (typeof entry === "object" && entry !== null ? entry : {}) as {
        key?: unknown;
        at?: unknown;
        reason?: unknown;
      };
      if (typeof key !== "string" || !isIdentity(key) || typeof at !== "number") throw malformed("one of its entries is none");
      return { identity: key, revokedAtMs: at * 1000, reason: typeof reason === "string" ? reason.slice(0, maxReasonLength) : "" };
    }),
  };
}

function authoritiesOf(ca: string): Map<string, KeyObject> {
  const blocks = ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length === 0) throw new Error("there is no certificate in it");
    return new Map(blocks.map((block) => [identityOf(block), new X509Certificate(block).publicKey]));
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", "the given authority (ca) is not a certificate in PEM", { cause });
  }
}
