import type { Transport } from "@kwik/core";
import type { LinkPeers } from "./link-peers.ts";
import type { ServerMaterial } from "./tls-material.ts";

/** What a transport may lack of what the trust cases need. */
export type TrustAbility =
  /** The system's authorities can be changed for a test. */
  | "system-authorities"
  /** Whom a server is not, is said in words of its key: else in words of its name or key. */
  | "shown-keys"
  /** A server's refusal of a client certificate reaches its notices. */
  | "client-notices"
  /** Works without TLS. */
  | "plaintext";

/** Options that every transport with client certificates has. */
export interface TrustOptions {
  readonly clientCa?: string;
  readonly dangerouslyPlaintext?: boolean;
}

/** A transport under the trust cases. */
export interface TrustEnvironment {
  readonly name: string;
  readonly abilities: ReadonlySet<TrustAbility>;
  makeTransport(options?: TrustOptions): Transport;
}

/** Certificates of all cases: two that signed themselves, two clusters, and some whose dates are wrong. */
export interface TrustMaterial {
  readonly mine: ServerMaterial;
  readonly other: ServerMaterial;
  readonly alpha: { readonly ca: string; readonly local: ServerMaterial; readonly elsewhere: ServerMaterial };
  readonly beta: { readonly ca: string; readonly local: ServerMaterial };
  readonly expired: ServerMaterial;
  readonly future: ServerMaterial;
}

/** What a case works with. */
export interface TrustBench extends TrustMaterial {
  readonly peers: LinkPeers<TrustOptions>;
  readonly environment: TrustEnvironment;
}

/** One statement about who is believed, the same for every transport. */
export interface TrustCase {
  readonly name: string;
  readonly needs?: readonly TrustAbility[];
  run(bench: TrustBench): Promise<void>;
}
