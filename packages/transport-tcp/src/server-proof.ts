import { createHash } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import { checkServerIdentity } from "node:tls";
import type { TLSSocket } from "node:tls";
import { KwikError } from "@kwik/core";
import type { DialPlan } from "@kwik/core";

/** What a server must show before it is believed. All that is given must hold. */
export interface ServerProof {
  /** Identities of which its key must have one. */
  readonly keys: readonly string[] | undefined;
  /** Whether an authority must have issued its certificate: those in `ca`, else those that Node trusts. */
  readonly chain: boolean;
  readonly ca: string | undefined;
  /** Name or IP address that its certificate must be for. */
  readonly host: string | undefined;
  /** Whether the link tells the key's identity as proven. */
  readonly provesIdentity: boolean;
}

/**
 * The table of docs/decisions/0004-pinning-and-private-names.md for a handshake that shows the certificate: what takes a query and a private
 * name over QUIC is looked up here. Undefined where nothing is checked.
 */
export function proofOf(plan: DialPlan): ServerProof | undefined {
  switch (plan.kind) {
    case "unverified":
      return undefined;
    case "direct":
      return plan.identity === undefined
        ? { keys: undefined, chain: true, ca: plan.ca, host: plan.serverName, provesIdentity: false }
        : { keys: [plan.identity], chain: true, ca: plan.ca, host: undefined, provesIdentity: true };
    case "query-pin":
      return { keys: plan.acceptable, chain: plan.ca !== undefined, ca: plan.ca, host: undefined, provesIdentity: true };
    case "query-authority":
      return { keys: undefined, chain: true, ca: plan.ca, host: plan.ip, provesIdentity: true };
  }
}

/** What a handshake showed; TLS itself has proven that the server holds the certificate's key. */
export interface ShownServer {
  readonly certificate: X509Certificate | undefined;
  /** Why the chain could not be verified, as Node's code; undefined if it was. */
  readonly chainError: string | undefined;
}

/**
 * What the server at the other end of a connection has shown. In a resumed connection it shows nothing again: `kept` is its certificate of
 * the first one, and only whoever had that certificate's key then knows the secret to resume it.
 */
export function shownBy(socket: TLSSocket, kept: X509Certificate | undefined): ShownServer {
  return {
    certificate: socket.isSessionReused() ? kept : socket.getPeerX509Certificate(),
    chainError: socket.authorized ? undefined : codeOf(socket.authorizationError),
  };
}

/** Checks a server. Answers what it has proven for the link's properties; throws NOT_TRUSTED with the reason. */
export function checkServer(proof: ServerProof, shown: ShownServer, where: string, nowMs: number = Date.now()): string | undefined {
  const { certificate } = shown;
  if (certificate === undefined) throw untrusted(where, "it shows no certificate");
  const identity = certificateIdentity(certificate);
  if (identity === undefined) throw untrusted(where, reasonOf("UNSUPPORTED_KEY"));
  if (proof.keys !== undefined && !proof.keys.includes(identity)) {
    throw untrusted(where, `its key is ${identity}, and expected was ${proof.keys.join(" or ")}`);
  }
  // Here and not only in the chain: a pin has no chain, and a resumed connection does not look at it again.
  if (nowMs > Date.parse(certificate.validTo)) {
    throw untrusted(where, `its certificate expired on ${certificate.validTo}; renew it at the server`);
  }
  if (nowMs < Date.parse(certificate.validFrom)) {
    throw untrusted(where, `its certificate is valid only from ${certificate.validFrom}; check the clocks`);
  }
  if (proof.chain && shown.chainError !== undefined) throw untrusted(where, reasonOf(shown.chainError));
  if (proof.host !== undefined && checkServerIdentity(proof.host, certificate.toLegacyObject()) !== undefined) {
    throw untrusted(where, `its certificate was not issued for the expected name or key (expected ${proof.host})`);
  }
  return proof.provesIdentity ? identity : undefined;
}

/** "sha256:<hex>" over the public key of a certificate; undefined if it has a key that Node does not know. */
export function certificateIdentity(certificate: X509Certificate): string | undefined {
  try {
    const spki = certificate.publicKey.export({ type: "spki", format: "der" });
    return `sha256:${createHash("sha256").update(spki).digest("hex")}`;
  } catch {
    return undefined;
  }
}

/** The declared type says Error; Node sets the code. */
function codeOf(error: unknown): string {
  return typeof error === "string" ? error : error instanceof Error ? error.message : "not verified";
}

function reasonOf(code: string): string {
  if (/^(?:CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/.test(code)) return "its certificate has expired or is not valid yet";
  if (code === "CERT_REVOKED") return "its certificate was revoked";
  if (/SELF_SIGNED|ISSUER_CERT|VERIFY_LEAF|UNTRUSTED|CERT_REJECTED/.test(code)) {
    return "its certificate was not issued by a trusted authority";
  }
  if (/PURPOSE|INVALID_CA|PATH_LENGTH|CHAIN_TOO_LONG|UNSUPPORTED/.test(code)) return "its certificate is of a kind that cannot be checked";
  return `its certificate could not be checked (${code})`;
}

function untrusted(where: string, reason: string): KwikError {
  return new KwikError("NOT_TRUSTED", `${where} is not trusted: ${reason}`);
}
