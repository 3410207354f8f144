import type { JoinAuthority } from "../api/join-authority.ts";
import type { Runtime } from "../driver/runtime.ts";
import type { Transport } from "../transport/transport.ts";

/** What the runtime's facade gives to `listen`. */
export interface ListenEnvironment {
  readonly transport: Transport;
  readonly runtime: Runtime;
  readonly agent: string;
  readonly tls: { readonly cert: string; readonly key: string };
  /** "sha256:…" of the certificate's key. */
  readonly identity: string;
  readonly authority: JoinAuthority | undefined;
  /** The identity of another certificate, PEM, for `updateTls`. Throws INVALID_ARGUMENT. */
  readonly identityOf?: (cert: string) => string;
  readonly checksum?: (data: Uint8Array, seed: number) => number;
  /** Problems that belong to no session, for logs. */
  readonly onNotice?: (message: string) => void;
}
