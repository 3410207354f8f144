import type { ListenLimits } from "../api/listener-limits.ts";
import type { DialOptions, WebOptions } from "../api/options.ts";
import type { RefusalReason } from "../api/refusal-reason.ts";
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
  /**
   * The IP address at which to dial, whatever the host's name stands for now; the name is still what is proven. Transports of browsers, which cannot choose,
   * go by the name.
   */
  readonly ip?: string | undefined;
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
  /** "sha256:<hex of SPKI>" of keys that are not believed whoever certified them; of servers under `ca`. */
  readonly revoked?: readonly string[] | undefined;
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
  /** Authorities (PEM) of client certificates: with them clients are asked for one, and refused if it does not verify. */
  readonly clientCa?: string | undefined;
  /** Addresses and ranges of reverse proxies, which say for whom they speak, where the transport can tell. */
  readonly proxies?: readonly string[] | undefined;
  /** What to take on at most; undefined: the transport's defaults. */
  readonly limits?: ConnectionLimits | undefined;
  /**
   * Asked once for each connection, before its handshake where the transport can tell; "host:port" is where it comes from. What is answered says no: the
   * connection is closed, with this code where it can carry one.
   */
  onConnection?(remoteAddress: string): { readonly code: number; readonly text: string } | undefined;
  /** A connection was refused that never became a link, for another reason than `onConnection` gave. For counts; `onNotice` was told. */
  onRefused?(remoteAddress: string, reason: RefusalReason): void;
  /** Called for each new link; it must `attach` to the link before it returns. */
  onLink(link: Link): void;
  /** Something went wrong that belongs to no link (a refused handshake, for instance). For logs. */
  onNotice?(message: string): void;
}

/** Limits of one transport's listener. docs/limits.md */
export type ConnectionLimits = Pick<ListenLimits, "maxConnections" | "maxHandshakes" | "handshakeTimeoutMs">;

export interface TransportListener {
  /** Really bound "host:port". */
  readonly address: string;
  /** Another certificate for the same key, for connections from now on. Rejects with INVALID_ARGUMENT, and then nothing has changed. */
  updateTls?(tls: { readonly cert: string; readonly key: string }): Promise<void>;
  close(): Promise<void>;
}
