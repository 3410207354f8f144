import { createPrivateKey, createPublicKey, type KeyObject, randomUUID } from "node:crypto";
import { isIdentity, KwikError, parseIdentity, TicketError, type TicketFlaw } from "@kwik/core";
import { errors, jwtVerify, SignJWT } from "jose";
import { identityOf } from "./identity.ts";
import { SpentTickets } from "./spent-tickets.ts";

/** What a join ticket says. */
export interface TicketClaims {
  /** Session id, 32 hex digits. */
  readonly session: string;
  readonly path: number;
  readonly member: number;
  /** The server that it is for, "sha256:<hex of SPKI>". */
  readonly server: string;
  /** The client's session key, "sha256:<hex of SPKI>". */
  readonly clientKey: string;
  /** Who the client is, as the server that signs knows it; at most 1024 characters. The client can read it. */
  readonly clientIdentity?: string | undefined;
  /** "sha256:<hex of SPKI>" of the certificate that the client showed to the server that signs. */
  readonly certificateIdentity?: string | undefined;
}

/** What a server demands of a ticket. */
export interface ExpectedTicket {
  readonly sessionId: string;
  readonly pathId: number;
  readonly memberId: number;
  /** "sha256:<hex of SPKI>" of the key that the client proved. */
  readonly clientKeyThumbprint: string;
}

export interface TicketVerifierOptions {
  /** Wall clock, milliseconds since 1970. Default: the system's. */
  readonly now?: () => number;
  /** Milliseconds that have passed, since whenever: a clock that nobody sets. Default: the system's. */
  readonly monotonicNow?: () => number;
  /** How far the clocks of two servers may be apart. Default 5000. */
  readonly clockSkewMs?: number;
  /** Tickets that are remembered as used, at most; beyond it tickets are refused until older ones expire. Default 100000. */
  readonly maxRemembered?: number;
}

const type = "kwik-join+jwt";
const signature = "EdDSA";
/** Longest life of a ticket: it is spent within a dial, not kept. */
const maxLifetimeMs = 3_600_000;
const maxTicketLength = 4096;
const maxClientIdentityLength = 1024;

/**
 * Signs a join ticket (JWT, Ed25519) that begins at `nowMs` and lives `lifetimeMs`, rounded up to whole seconds. Rejects with
 * INVALID_ARGUMENT for a key that is not Ed25519, malformed claims, or a life above an hour.
 */
export async function mintTicket(signingKeyPem: string, claims: TicketClaims, lifetimeMs: number, nowMs: number): Promise<string> {
  const key = readKey(signingKeyPem, createPrivateKey);
  if (!(lifetimeMs > 0 && lifetimeMs <= maxLifetimeMs)) {
    throw new KwikError("INVALID_ARGUMENT", `a ticket cannot live ${lifetimeMs} ms; give more than 0 and at most ${maxLifetimeMs}`);
  }
  const { session, path, member, server, clientKey, clientIdentity, certificateIdentity } = claims;
  if (!/^[0-9a-f]{32}$/.test(session)) throw new KwikError("INVALID_ARGUMENT", `"${session}" is not a session id of 32 hex digits`);
  if ((clientIdentity?.length ?? 0) > maxClientIdentityLength)
    throw new KwikError("INVALID_ARGUMENT", `a client's identity in a ticket has at most ${maxClientIdentityLength} characters`);
  const from = Math.floor(nowMs / 1000);
  const sub = clientIdentity === undefined ? {} : { sub: clientIdentity };
  const cert = certificateIdentity === undefined ? {} : { cert: parseIdentity(certificateIdentity) };
  return new SignJWT({ session, path, member, key: parseIdentity(clientKey), ...sub, ...cert })
    .setProtectedHeader({ alg: signature, typ: type, kid: identityOf(key) })
    .setAudience(parseIdentity(server))
    .setIssuedAt(from)
    .setNotBefore(from)
    .setExpirationTime(Math.ceil((nowMs + lifetimeMs) / 1000))
    .setJti(randomUUID())
    .sign(key);
}

/**
 * Checks tickets at one server and remembers those that were used, so that each works once. The memory is that of this object: one per
 * listener, for its whole life.
 */
export class TicketVerifier {
  #keys: ReadonlyMap<string, KeyObject>;
  readonly #identity: string;
  readonly #now: () => number;
  readonly #monotonicNow: () => number;
  readonly #clockSkewMs: number;
  readonly #spent: SpentTickets;

  /**
   * Accepts tickets signed by any of the keys (PEM, Ed25519) for the server `ownIdentity`. Several keys let one replace another. Throws
   * INVALID_ARGUMENT for an unusable key.
   */
  constructor(publicKeysPem: readonly string[], ownIdentity: string, options: TicketVerifierOptions = {}) {
    this.#keys = readKeys(publicKeysPem);
    this.#identity = parseIdentity(ownIdentity);
    this.#now = options.now ?? Date.now;
    this.#monotonicNow = options.monotonicNow ?? (() => performance.now());
    this.#clockSkewMs = options.clockSkewMs ?? 5000;
    this.#spent = new SpentTickets(options.maxRemembered ?? 100_000);
  }

  /** Other keys take the place of those so far; what was used stays used. Throws INVALID_ARGUMENT, and then nothing has changed. */
  replaceKeys(publicKeysPem: readonly string[]): void {
    this.#keys = readKeys(publicKeysPem);
  }

  /** The claims of a ticket that permits exactly `expected`; it is used up then. Rejects with TicketError. */
  async verify(ticket: string, expected: ExpectedTicket): Promise<{ claims: TicketClaims }> {
    const nowMs = this.#now();
    const { payload, id, expiresAtMs } = await this.#authenticate(ticket, nowMs);
    if (payload["session"] !== expected.sessionId) throw refused("other-session", "it is for another session");
    if (payload["path"] !== expected.pathId) throw refused("other-path", "it is for another path");
    if (payload["member"] !== expected.memberId) throw refused("other-member", "it is for another member number");
    if (payload["key"] !== expected.clientKeyThumbprint) throw refused("other-client", "it belongs to another client key");
    // Nothing is awaited between asking and remembering: of two that arrive at once, one wins.
    const outcome = this.#spent.spend(id, expiresAtMs + this.#clockSkewMs, { wallMs: nowMs, monotonicMs: this.#monotonicNow() });
    if (outcome === "spent") throw refused("replayed", "it was used before");
    if (outcome === "full") throw refused("memory-full", "too many tickets are in use at this server; try again later");
    const { sessionId: session, pathId: path, memberId: member, clientKeyThumbprint: clientKey } = expected;
    const clientIdentity = typeof payload["sub"] === "string" ? payload["sub"] : undefined;
    const certificateIdentity = typeof payload["cert"] === "string" ? payload["cert"] : undefined;
    return { claims: { session, path, member, server: this.#identity, clientKey, clientIdentity, certificateIdentity } };
  }

  async #authenticate(
    ticket: string,
    nowMs: number,
  ): Promise<{ payload: Readonly<Record<string, unknown>>; id: string; expiresAtMs: number }> {
    if (ticket.length > maxTicketLength) throw refused("malformed", "it is too long");
    try {
      const { payload } = await jwtVerify(ticket, (header) => this.#keyFor(header.kid), {
        algorithms: [signature],
        typ: type,
        audience: this.#identity,
        currentDate: new Date(nowMs),
        clockTolerance: this.#clockSkewMs / 1000,
        requiredClaims: ["session", "path", "member", "key", "iat", "nbf", "exp", "jti"],
      });
      const { jti: id, iat, exp, sub, cert } = payload;
      const isIdentified = sub === undefined || (typeof sub === "string" && sub.length <= maxClientIdentityLength);
      const isCertified = cert === undefined || (typeof cert === "string" && isIdentity(cert));
      if (typeof id !== "string" || id.length > 64 || iat === undefined || exp === undefined || !isIdentified || !isCertified)
        throw refused("malformed", "its claims are malformed");
      if ((exp - iat) * 1000 > maxLifetimeMs + 1000) throw refused("too-long-lived", "it lives longer than an hour");
      return { payload, id, expiresAtMs: exp * 1000 };
    } catch (error) {
      throw reasonOf(error);
    }
  }

  #keyFor(kid: string | undefined): KeyObject {
    const key = kid === undefined ? undefined : this.#keys.get(kid);
    if (key === undefined) throw refused("unknown-key", "it is signed with a key that this server does not know");
    return key;
  }
}

function readKey(pem: string, read: (pem: string) => KeyObject): KeyObject {
  let found: KeyObject;
  try {
    found = read(pem);
  } catch (error) {
    throw new KwikError("INVALID_ARGUMENT", "the ticket key is not a key in PEM", { cause: error });
  }
  if (found.asymmetricKeyType === "ed25519") return found;
  throw new KwikError("INVALID_ARGUMENT", `the ticket key is of type ${found.asymmetricKeyType ?? "unknown"}, and tickets need Ed25519`);
}

function readKeys(publicKeysPem: readonly string[]): Map<string, KeyObject> {
  return new Map(
    publicKeysPem.map((pem) => {
      const key = readKey(pem, createPublicKey);
      return [identityOf(key), key];
    }),
  );
}

function reasonOf(error: unknown): KwikError {
  if (error instanceof KwikError) return error;
  if (error instanceof errors.JWTExpired) return refused("expired", "it expired", error);
  if (error instanceof errors.JWTClaimValidationFailed) {
    const [flaw, reason] = claimReasons[error.claim] ?? (["malformed", "its claims are malformed"] as const);
    return refused(flaw, reason, error);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return refused("algorithm", "its signature is of a kind that is not allowed", error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused("signature", "its signature is wrong", error);
  return refused("malformed", "it is malformed", error);
}

const notYetValid = ["not-yet-valid", "it is not valid yet; check the clocks of the servers"] as const;
const claimReasons: Readonly<Record<string, readonly [TicketFlaw, string]>> = {
  aud: ["other-server", "it is for another server"],
  nbf: notYetValid,
  iat: notYetValid,
  typ: ["malformed", "it is not a join ticket"],
};

function refused(flaw: TicketFlaw, reason: string, cause?: unknown): TicketError {
  return new TicketError(flaw, `the join ticket was refused: ${reason}`, { cause });
}
