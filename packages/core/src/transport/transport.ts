import type { DialOptions, WebOptions } from "../api/options.ts";
import type { TransportChoice } from "../api/stats.ts";
import type { Relay, ServerAddress } from "./address.ts";
import type { Link } from "./link.ts";

/** Makes links. One object per kind of transport; a process may use several at once. */
export interface Transport {
  readonly name: string;
  /**
   * Connects and verifies the server. Resolves when the link can carry data. Rejects with a KwikError: UNREACHABLE (nobody answered
   * in time), NOT_TRUSTED (certificate, name, pin), ABORTED, NOT_SUPPORTED.
   */
  dial(request: DialRequest): Promise<Link>;
  listen(request: ListenRequest): Promise<TransportListener>;
  /** Whether `dial` can reach the address without the transport of that name; undefined says no. */
  hasOther?(address: ServerAddress, name: string): boolean;
  /** Whether the transport of the first name is tried before that of the second where an address names none; undefined says no. */
  prefers?(name: string, over: string): boolean;
  /** Why a link that `dial` made to an address that names no transport has the one it has; undefined says "only". */
  choiceOf?(link: Link): TransportChoice | undefined;
  /** The relays of a dial, for `ServerAddress.relay`; undefined where no server is reached through another. Throws INVALID_ARGUMENT. */
  relaysOf?(options: Pick<DialOptions, "relays" | "trust" | "transport">): readonly Relay[];
}

export interface DialRequest {
  readonly address: ServerAddress;
  readonly trust: ServerTrust;
  /** The key that the server must prove, "sha256:<hex of SPKI>"; undefined if any server that `trust` accepts will do. */
  readonly identity: string | undefined;
  readonly clientCertificate: { readonly cert: string; readonly key: string } | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** A transport that is not to be used: it has fallen silent at this server. */
  readonly avoid?: string | undefined;
  /**
   * Asked with the addresses that a host name resolved to, before anything is sent there; a text is the reason to refuse. Exactly the
   * addresses that were shown may be dialled.
   */
  readonly checkResolved?: ((ips: readonly string[]) => string | undefined) | undefined;
}

/** Whom a client believes. With nothing set: the system's certificate authorities and the host name. */
export interface ServerTrust {
  /** Certificate authorities in PEM, instead of the system's as far as the transport can. */
  readonly ca: string | undefined;
  /** "sha256:<hex of SPKI>" of acceptable server keys. */
  readonly pins: readonly string[];
  /** Certificates of the very servers in PEM, for transports that cannot see a server's key; nothing else is then accepted. */
  readonly certificates?: readonly string[] | undefined;
  /** Encrypts to whoever answers. For development only. */
  readonly dangerouslyTrustAnyServer: boolean;
}

export interface ListenRequest {
  readonly address: ServerAddress;
  /** Certificate chain and private key in PEM. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** For transports that browsers speak: who of them may connect, and where. Undefined where nobody asked to serve them. */
  readonly web?: WebOptions | undefined;
  /** For transports over UDP: whether clients prove their address before the server keeps anything for them. Undefined: the transport's default. */
  readonly validateAddresses?: boolean | undefined;
  /** Called for each new link; it must `attach` to the link before it returns. */
  onLink(link: Link): void;
  /** Something went wrong that belongs to no link (a refused handshake, for instance). For logs. */
  onNotice?(message: string): void;
}

export interface TransportListener {
  /** Really bound "host:port". */
  readonly address: string;
  close(): Promise<void>;
}
