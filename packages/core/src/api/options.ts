import type { Limits, SchedulerFactory } from "@kwik/proto";
import type { TransportName } from "../transport/address.ts";
import type { ContentStore } from "./content.ts";
import type { ListenLimits } from "./listener-limits.ts";

export interface DialOptions {
  /**
   * Resolves as soon as the connection can carry data, without waiting for the server's answer: streams that are opened at once leave together
   * with kwik's hello, which saves a round trip. The server gives nothing to its application before it has accepted the client. `session.id` is empty, and
   * `servers` are not dialled, until `session.ready` resolves; what `dial` would have rejected with, `ready` rejects with. Default false.
   */
  early?: boolean;
  /** Gives up dialling when aborted; has no effect afterwards. */
  signal?: AbortSignal;
  /** Whom to believe. Default: the system's certificate authorities and the host name. */
  trust?: TrustOptions;
  /** Who the application says it is. Default: nobody. */
  credentials?: Credentials;
  /** Further servers that this session may use, beside those that a server adds. Default: none. */
  servers?: readonly (string | URL)[];
  /**
   * Kwik servers that carry links: through each of them the session has one path more to the server that is dialled, and to each of `servers`. What they carry is
   * encrypted end to end. A text is "kwik://host:port", with "#sha256:<hex>" behind it where the relay is known by its key. Default: none. NOT_SUPPORTED in browsers.
   */
  relays?: readonly (string | URL | RelayOptions)[];
  pathPolicy?: PathPolicy;
  /** "quic", "tcp", "websocket" or, in browsers, "webtransport": the one transport for every server that does not name its own. Default: whichever works first. */
  transport?: TransportName;
  /** "earliest-completion" (default), "min-rtt", "round-robin", or a factory of your own. */
  scheduler?: string | SchedulerFactory;
  /** Any part of the limits; see docs/limits.md. */
  limits?: Partial<Limits>;
}

/** A relay of a session. */
export interface RelayOptions {
  /** "kwik://host:port" */
  address: string | URL;
  /**
   * Whom to believe as the relay. Default: that of the session, but without its pins and certificates, of which each is good for a server: a relay that one of them fits could pass for one.
   */
  trust?: TrustOptions;
  /** Who the relay is told the client is. Default: nobody. `credentials` of the session are for its servers, and never given to a relay. */
  credentials?: Credentials;
}

export interface TrustOptions {
  /** Certificate authorities in PEM. */
  ca?: string;
  /** "sha256:<hex of SPKI>" of acceptable server keys. */
  pins?: readonly string[];
  /**
   * Certificates of the very servers, PEM, one text for each (of a chain, the first counts): no others are accepted. The way to believe
   * self-signed servers in a browser, which takes neither `ca` nor `pins`; elsewhere the same as the pins of their keys.
   */
  certificates?: readonly string[];
  /**
   * The list of revoked keys that `kwik cluster revoke` makes, signed by the authority in `ca`: servers on it are not believed. NOT_SUPPORTED in browsers. Over
   * QUIC a dial by name takes two round trips more with it.
   */
  revoked?: string;
  /** Encrypts to whoever answers. For development only. */
  dangerouslyTrustAnyServer?: boolean;
}

export interface Credentials {
  token?: string;
  /** A client certificate, PEM. */
  cert?: string;
  key?: string;
}

export interface PathPolicy {
  /** Paths at once. Default 16. */
  maxPaths?: number;
  /** Asked for each address that a server advertises, after the built-in rules. Default: all that these allow. */
  allow?(address: string): boolean;
  /**
   * Whether addresses that a server advertises may be private, loopback or link-local. Default: only if the primary was itself
   * dialled at such an address. Addresses in `servers` are the user's own and always allowed.
   */
  allowPrivateAddresses?: boolean;
}

export interface ListenOptions {
  /** Certificate chain and key in PEM, or "self-signed": a new key for this process, its identity in `Listener.identity`. */
  tls: { cert: string; key: string } | "self-signed";
  /** What signs and checks join tickets. Without it, this server can't add paths to others, and is joined directly only. */
  cluster?: ClusterOptions;
  /**
   * Decides about a client that says hello, or joins without a ticket; `handshakeTimeoutMs` is its time, and who is not decided about by then is
   * refused with TIMEOUT. Of its calls `maxPendingAuthentications` are under way at once. What it throws refuses. Who comes with a ticket was
   * decided about by the server that made it. Default: everybody is welcome.
   */
  authenticate?(request: AuthRequest): Promise<AuthResult> | AuthResult;
  /**
   * Decides about each stream that a client opens, before the application gets it; `handshakeTimeoutMs` is its time, and what it throws refuses. Of its calls
   * `maxPendingAuthorizations` are under way at once for one session, and `maxPendingAuthorizationsInAll` for all. A refused stream is reset with the code. Streams come to the application in the order in which they were decided. Default: all are welcome.
   */
  authorizeStream?(request: StreamAuthRequest): Promise<StreamAuthResult> | StreamAuthResult;
  /**
   * Authorities (PEM) of client certificates. With them, clients are asked for one, and refused if it does not verify; whoever has none is left to
   * `authenticate`. Default: no certificate is asked for.
   */
  clientCa?: string;
  /**
   * Addresses and ranges ("10.0.0.0/8") of reverse proxies: the limits of one client's network do not hold for them, and over WebSocket the address that they
   * name (X-Forwarded-For) is the client's. Default: none.
   */
  proxies?: readonly string[];
  /**
   * Asked for each new session whose client can begin it elsewhere, before `authenticate`: answers the port of another listener with the same key on this host that is to
   * take the session, or undefined to take it here. So several processes are one server, whichever of them is dialled. Clients are sent on once; who comes back because nobody answered
   * there is taken. What it throws, and what is no port, counts as undefined, and `onNotice` is told. Not asked for clients that dialled with `early`, or through relays. Default: all are taken here.
   */
  redirect?(request: RedirectRequest): number | undefined;
  /** What this server can deliver in multi-source mode. */
  content?: ContentStore;
  /**
   * Serves browsers, on the same port: over WebTransport where QUIC works, and over WebSocket. `true` is every default of `WebOptions`. Default:
   * no WebTransport; WebSocket, which shares the port of TCP, is there for other clients and takes pages of its own host.
   */
  web?: boolean | WebOptions;
  /**
   * Whether clients over UDP first prove by a round trip of its own that they are where they say (QUIC's Retry), before the server keeps anything for
   * them. Without it a dial is a round trip shorter, and a flood with forged addresses costs the server handshakes. Default: unless bound to loopback.
   */
  validateAddresses?: boolean;
  scheduler?: string | SchedulerFactory;
  limits?: Partial<ListenLimits>;
}

/** Which browsers may connect, and where. */
export interface WebOptions {
  /** Path of the URL, without query. Default "/kwik", where `dial` asks; another one is for servers behind a gateway that changes paths. */
  path?: string;
  /**
   * Whether pages of an origin ("https://example.com:8443") may connect. Only asked for requests that carry an Origin, which browsers send and
   * cannot leave out; who comes without is no browser and is not asked. What it throws refuses: the text may be "null", or anything that somebody without
   * a browser has sent. Default: pages of the host that they connect to, on any port.
   */
  allowOrigin?(origin: string): boolean;
}

export interface ClusterOptions {
  /** Key pair (PEM) that signs join tickets; only servers that add paths need it. */
  ticketSigningKey?: string;
  /** Public keys (PEM) whose tickets are accepted here. */
  ticketVerifyKeys: readonly string[];
  /** Life of a ticket, in milliseconds. Default 30000. */
  ticketLifetimeMs?: number;
  /** Certificate of the authority, PEM; needed to believe `revoked`. */
  ca?: string;
  /**
   * The list of revoked keys that `kwik cluster revoke` makes and the authority signs: no ticket is made for such a server, and a client with such a
   * certificate is refused, also by a path of a session that is here. Default: nobody was revoked.
   */
  revoked?: string;
}

export interface AuthRequest {
  /** What the client gave, if anything. */
  readonly token: string | undefined;
  /** "sha256:<hex of SPKI>" of the client's certificate, if the transport verified one. */
  readonly clientIdentity: string | undefined;
  /** "host:port" that the client comes from. */
  readonly remoteAddress: string;
  /** "quic", "tcp", "websocket" or "webtransport". */
  readonly transport: string;
  /** Whether it joins an existing session of another server, without a ticket. */
  readonly joining: boolean;
  /**
   * Fires when nobody waits for the answer any more: the client is gone, or `handshakeTimeoutMs` is over. A call goes on counting for its network (`failedChecksPerMinutePerPrefix`,
   * `maxPendingAuthentications`) until it has answered or its time is over, so let it end then; what it throws counts as no wrong guess, `ok: false` does.
   */
  readonly signal: AbortSignal;
}

/** A client whose session may begin at another process. */
export interface RedirectRequest {
  /** "host:port" that the client comes from. */
  readonly remoteAddress: string;
  /** "quic", "tcp", "websocket" or "webtransport". */
  readonly transport: string;
}

export type AuthResult = { ok: true; identity?: string } | { ok: false; reason?: string };

/** A stream that a client has opened. */
export interface StreamAuthRequest {
  /** Who the client is, as `ServerSession.clientIdentity`. */
  readonly clientIdentity: string | undefined;
  /** 32 hex digits. */
  readonly sessionId: string;
  readonly role: "primary" | "secondary";
  readonly streamId: bigint;
  readonly direction: "bidirectional" | "unidirectional";
  /** 0 to 255, as the client wishes. */
  readonly priority: number;
}

/** `code` is what the client's reads and writes reject with; by default that of AUTH_REFUSED, 12. */
export type StreamAuthResult = boolean | { ok: true } | { ok: false; code?: number };
