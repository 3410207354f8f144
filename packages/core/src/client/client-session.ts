import {
  CLIENT_MEMBER,
  DEFAULT_LIMITS,
  ErrorCode,
  errorName,
  SeededRng,
  Session,
  schedulerFactory,
  type MemberId,
  type SessionEvent,
  type SessionPath,
} from "@kwik/proto";
import type { ClientSession, StreamOptions } from "../api/contract.ts";
import { checkDialOptions } from "../api/check-dial-options.ts";
import { AuthError, KwikError, LimitError, PathError, TimeoutError } from "../api/errors.ts";
import type { DialOptions } from "../api/options.ts";
import type { PathInfo } from "../api/stats.ts";
import type { Runtime } from "../driver/runtime.ts";
import { hostOf } from "../policy/address-prefix.ts";
import { parseIp } from "../policy/ip-address.ts";
import { BaseSession } from "../session/base-session.ts";
import { SessionKey } from "../session-key/session-key.ts";
import { formatAddress, formatServer, parseAddress, type Relay, type ServerAddress } from "../transport/address.ts";
import type { Transport } from "../transport/transport.ts";
import { PathDialer } from "./path-dialer.ts";
import { type Beginning, beginWith, RedirectError } from "./redirect.ts";
import type { ReachedServer } from "./server-ways.ts";

/** What the runtime's facade gives to `dial`. */
export interface DialEnvironment {
  readonly transport: Transport;
  readonly runtime: Runtime;
  /** Name and version, for the server's logs. */
  readonly agent: string;
  /** The identities on `trust.revoked`, which the facade has read and verified. */
  readonly revoked?: readonly string[];
  readonly checksum?: (data: Uint8Array, seed: number) => number;
}

/** Opens a session at one server; more join later. Rejects with KwikError: UNREACHABLE, NOT_TRUSTED, AUTH_REFUSED, TIMEOUT, ABORTED. */
export async function dialWith(environment: DialEnvironment, target: string | URL, options: DialOptions = {}): Promise<ClientSession> {
  checkDialOptions(options);
  if (options.trust?.revoked !== undefined && environment.revoked === undefined)
    throw new KwikError("NOT_SUPPORTED", "a list of revoked keys cannot be read here (trust.revoked)");
  const address = parseAddress(target);
  const servers = (options.servers ?? []).map((server) => parseAddress(server));
  const relays = relaysOf(environment.transport, options);
  const begin = async (beginning: Beginning): Promise<ClientSession> => {
    const session = new ClientSessionOverPaths(environment, options, relays, await SessionKey.create());
    await session.start(beginning, servers, options.early ?? false);
    return session;
  };
  // What leaves with the hello cannot be sent on, and what a relay calls its host is not ours to judge.
  const takesRedirect = options.early !== true && relays.length === 0;
  const { signal } = options;
  const { handshakeTimeoutMs, redirectTimeoutMs } = { ...DEFAULT_LIMITS, ...options.limits };
  const first: Beginning = { address, identity: undefined, ip: undefined, hasDialledInVain: false, takesRedirect, signal };
  return beginWith(begin, first, { runtime: environment.runtime, timeoutMs: Math.min(redirectTimeoutMs, handshakeTimeoutMs) });
}

class ClientSessionOverPaths extends BaseSession implements ClientSession {
  readonly #dialer: PathDialer;
  #ready = Promise.resolve();
  #redirectPort: number | undefined;
  /** The IP address of the first server. */
  #answeredAt: string | undefined;
  #establishing: { resolve(): void; reject(reason: unknown): void } | undefined;

  constructor(environment: DialEnvironment, options: DialOptions, relays: readonly Relay[], key: SessionKey) {
    const { runtime } = environment;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const seed = new DataView(runtime.randomBytes(4).buffer).getUint32(0);
    const config = {
      role: "client" as const,
      member: CLIENT_MEMBER,
      limits,
      rng: new SeededRng(seed),
      scheduler: schedulerFactory(options.scheduler),
      agent: environment.agent,
      clientKey: key.publicKey,
      identity: "",
      checksum: environment.checksum,
    };
    super(new Session(config, runtime.now()), runtime);
    const { token, cert, key: certKey } = options.credentials ?? {};
    this.#dialer = new PathDialer(this.driver, {
      transport: environment.transport,
      transportName: options.transport,
      relays,
      trust: options.trust ?? {},
      revoked: environment.revoked,
      policy: options.pathPolicy ?? {},
      key,
      token: token ?? "",
      clientCertificate: cert !== undefined && certKey !== undefined ? { cert, key: certKey } : undefined,
      sessionId: () => this.id,
      onFailed: (failed, error) => this.publish({ type: "path-failed", address: failed, code: error.code, reason: error.message }),
    });
    this.#token = token ?? "";
  }

  readonly #token: string;

  get ready(): Promise<void> {
    return this.#ready;
  }

  async start(
    { address, identity, ip, hasDialledInVain, takesRedirect, signal, onReached }: Beginning,
    servers: readonly ServerAddress[],
    isEarly: boolean,
  ): Promise<void> {
    if (isAborted(signal)) throw aborted(signal);
    if (hasDialledInVain) this.#dialer.advertised.vain.begin(this.runtime.now());
    if (ip !== undefined) this.#dialer.keepAt(address, ip);
    let reached: ReachedServer;
    try {
      reached = await this.#dialer.dialPrimary(address, identity, signal);
    } catch (error) {
      this.driver.stop();
      // Of several ways each fails in its own.
      throw isAborted(signal) ? aborted(signal) : KwikError.from(error, "UNREACHABLE");
    }
    const { link } = reached;
    this.#answeredAt = ipOf(link.properties.remoteAddress);
    const text = formatAddress(reached.address);
    // The transport may have been done before it saw the signal.
    if (isAborted(signal)) {
      link.close(ErrorCode.NO_ERROR, "the dial was aborted");
      throw aborted(signal);
    }
    onReached?.();
    const path = this.proto.opening.openPath(this.runtime.now(), {
      address: text,
      server: formatServer(address),
      identity: link.properties.provenIdentity,
      priority: 128,
      request: undefined,
    });
    const established = new Promise<void>((resolve, reject) => {
      this.#establishing = { resolve, reject };
    });
    this.#ready = established.then(() => {
      this.#dialer.addOwn([address, ...servers]);
    });
    // Whoever is early need not look at it: streams tell as well.
    this.#ready.catch(() => undefined);
    const abort = (): void => {
      this.#establishing?.reject(aborted(signal));
      this.proto.close(this.runtime.now(), ErrorCode.NO_ERROR, "the dial was aborted", false);
      this.driver.pump();
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#dialer.choices.attached(path, link);
    this.driver.attach(path.id, link);
    const info = {
      address: text,
      transport: link.properties.transport,
      identity: link.properties.provenIdentity,
      isEncrypted: link.capabilities.encrypted,
    };
    this.proto.opening.hello(this.runtime.now(), path.id, info, this.#token, takesRedirect);
    this.driver.pump();
    try {
      if (!isEarly) await this.#ready;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  protected override memberFor(options: StreamOptions): MemberId | undefined {
    if (options.pathId === undefined) return this.#defaultHome();
    const path = this.proto.state.paths.byId(options.pathId);
    if (path === undefined) throw new KwikError("INVALID_ARGUMENT", `there is no path ${options.pathId} in this session`);
    const { isLost, isLeft } = this.proto.state.peerOf(path.member);
    if (isLost || isLeft) {
      throw new PathError("HOME_LOST", `the server of path ${options.pathId} is gone from this session`, path.address, path.id);
    }
    return path.member;
  }

  protected override pathInfo(path: SessionPath, now: number): PathInfo {
    return super.pathInfo(path, now, this.#dialer.choices.of(path));
  }

  protected override failureOf(event: Extract<SessionEvent, { type: "path-failed" }>): { code: string; reason: string } {
    const { code, message } = this.#dialer.advertised.vain.reasonOf(event.path) ?? {};
    return code === undefined ? super.failureOf(event) : { code, reason: message ?? "" };
  }

  protected override onRoleEvent(event: SessionEvent): void {
    switch (event.type) {
      case "established":
        this.#establishing?.resolve();
        return;
      case "redirected":
        this.#redirectPort = event.port;
        return;
      case "path-failed":
        this.#establishing?.reject(this.#refusalOf(event));
        this.#dialer.pathFailed(event.path, event.code);
        return;
      case "path-active":
        this.#dialer.pathActive(event.path);
        return;
      case "path-requested":
        void this.#dialer.advertised.addRequested(event);
        return;
      case "ticket":
        this.#dialer.handleTicket(event);
        return;
      case "path-degraded":
        this.#dialer.pathDegraded(event.path);
        return;
      case "path-recovered":
        this.#dialer.pathRecovered(event.path);
        return;
      case "path-dead":
        this.#dialer.pathDied(event.path);
        return;
      case "path-closed":
        this.#dialer.pathClosed(event.path);
        return;
      case "suspended":
      case "resumed":
        this.#dialer.suspended(event.type === "suspended");
        return;
      case "verify-block":
        this.#verify(event.fetchId, "block", event.block, event.attempt, event.parts, event.expected);
        return;
      case "verify-root":
        this.#verify(event.fetchId, "root", 0, 0, event.hashes, event.expected);
        return;
      case "going-away": {
        const { reason, graceMs, replacements } = event;
        const path = this.#pathTo(event.member);
        this.publish({ type: "going-away", path, reason, graceMs, replacements: replacements.map(({ address }) => address) });
        for (const replacement of replacements) this.#dialer.advertised.replace(event.member, replacement);
        return;
      }
      case "member-lost":
        this.publish({ type: "server-lost", path: this.#pathTo(event.member), reason: event.reason });
        this.#dialer.serverLost();
        return;
      case "primary-changed":
        this.publish({ type: "primary-changed", path: this.#pathTo(event.member), isHere: false, reason: event.reason });
        return;
      default:
    }
  }

  protected override onEnded(): void {
    this.#dialer.stop();
    this.#establishing?.reject(this.endError);
  }

  #refusalOf({ path, code, reason }: Extract<SessionEvent, { type: "path-failed" }>): KwikError {
    if (path.isPrimary && this.#redirectPort !== undefined) return new RedirectError(this.#redirectPort, path.identity, this.#answeredAt);
    return refusal(path.address, code, reason, path.retryAfterMs);
  }

  /** New streams live at the primary; while there is none, at a server that may become it. spec: PRIMARY-1 */
  #defaultHome(): MemberId | undefined {
    const { state } = this.proto;
    const primary = state.peerOf(state.primary);
    if (!primary.isLost && !primary.isGoingAway) return state.primary;
    // One that is shutting down is the last resort. spec: CLOSE-2
    for (const peer of state.peers.values()) if (!peer.isLost && peer.isKnown && !peer.isGoingAway) return peer.member;
    if (!primary.isLost && !primary.isLeft) return state.primary;
    for (const peer of state.peers.values()) if (!peer.isLost && !peer.isLeft && peer.isKnown) return peer.member;
    return undefined;
  }

  /** The newest path to a server, dead or alive. */
  #pathTo(member: MemberId): PathInfo | undefined {
    const path = this.proto.state.paths.ofMember(member).at(-1);
    return path === undefined ? undefined : this.pathInfo(path, this.runtime.now());
  }

  #verify(
    fetchId: number,
    kind: "block" | "root",
    block: number,
    attempt: number,
    parts: readonly Uint8Array[],
    expected: Uint8Array,
  ): void {
    this.runtime.sha256(parts).then(
      (hash) => {
        this.proto.content.handleVerified(fetchId, kind, block, attempt, isEqual(hash, expected));
        this.driver.pump();
      },
      (error: unknown) => {
        // Without a hash nothing may be delivered; the session cannot go on.
        this.proto.close(this.runtime.now(), ErrorCode.INTERNAL_ERROR, `hashing failed: ${KwikError.from(error).message}`, false);
        this.driver.pump();
      },
    );
  }
}

function aborted(signal: AbortSignal | undefined): KwikError {
  return new KwikError("ABORTED", "the dial was aborted", { cause: signal?.reason });
}

function relaysOf(transport: Transport, options: DialOptions): readonly Relay[] {
  if ((options.relays ?? []).length === 0) return [];
  if (transport.relaysOf !== undefined) return transport.relaysOf(options);
  throw new KwikError("NOT_SUPPORTED", "there are no relays here (relays): a page cannot encrypt end to end through another server");
}

/** By itself, because the signal changes while others are awaited. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function refusal(address: string, code: number, reason: string, retryAfterMs: number): KwikError {
  if (code === ErrorCode.LIMIT_REACHED) {
    // A link that is closed with a code has no room for a time. spec: CTRL-18
    const waitMs = retryAfterMs > 0 ? retryAfterMs : UNTOLD_RETRY_MS;
    return new LimitError(`${address} takes on no more now${reason === "" ? "" : `: ${reason}`}`, waitMs, { remote: true });
  }
  if (code === ErrorCode.AUTH_REFUSED)
    return new AuthError(`${address} refused the credentials${reason === "" ? "" : `: ${reason}`}`, { remote: true });
  if (code === ErrorCode.TIMEOUT) return new TimeoutError(`${address} answered, but not with kwik's hello in time`);
  return new PathError(errorName(code), `${address} did not accept the session: ${reason}`, address, 0, { remote: true });
}

/** When a server that did not say so may take on more, in milliseconds. */
const UNTOLD_RETRY_MS = 1_000;

/** Undefined where a transport knows the name only. */
function ipOf(remoteAddress: string): string | undefined {
  const host = hostOf(remoteAddress);
  return parseIp(host) === undefined ? undefined : host;
}
