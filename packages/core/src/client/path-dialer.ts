import { ErrorCode, type MemberId, type PathId, type SessionEvent, type SessionPath } from "@kwik/proto";
import { KwikError } from "../api/errors.ts";
import type { PathPolicy, TrustOptions } from "../api/options.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import { checkAddress, checkResolved, isPrivateHost, type AddressPolicy } from "../policy/address-policy.ts";
import { joinTranscript } from "../session-key/join-transcript.ts";
import type { SessionKey } from "../session-key/session-key.ts";
import { formatAddress, parseAddress, type ServerAddress, type TransportName } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import type { Transport } from "../transport/transport.ts";
import { trustFor } from "./server-trust.ts";
import { TransportChoices } from "./transport-choices.ts";
import { type FallbackDialer, TransportFallback, type TransportLimit } from "./transport-fallback.ts";
import { TransportReturn } from "./transport-return.ts";

type PathRequested = Extract<SessionEvent, { type: "path-requested" }>;
type Ticket = Extract<SessionEvent, { type: "ticket" }>;

/** How long a wanted ticket is waited for before the server is joined without one, or the path given up. */
const TICKET_WAIT_MS = 2_000;
const FIRST_REDIAL_MS = 100;
const MAX_REDIAL_MS = 4_000;
/** A path that was in use for so long was a good one. */
const PROVEN_AFTER_MS = 1_000;
/** Answers that the same question would only bring again. */
const POINTLESS = new Set<number>([
  ErrorCode.AUTH_REFUSED,
  ErrorCode.TICKET_REFUSED,
  ErrorCode.VERSION,
  ErrorCode.IDENTITY_MISMATCH,
  ErrorCode.GOING_AWAY,
]);

export interface PathDialerOptions {
  readonly transport: Transport;
  /** The one to use where an address names none. */
  readonly transportName: TransportName | undefined;
  readonly trust: TrustOptions;
  readonly policy: PathPolicy;
  readonly key: SessionKey;
  readonly token: string;
  readonly clientCertificate: { readonly cert: string; readonly key: string } | undefined;
  readonly sessionId: () => string;
  /** A path could not be made and nobody else will hear of it. */
  readonly onFailed: (address: string, error: KwikError) => void;
}

/** Makes the further paths of a client's session: those that servers ask for, the user's own, and again those that died. */
export class PathDialer {
  readonly choices = new TransportChoices();
  readonly #driver: SessionDriver;
  readonly #options: PathDialerOptions;
  readonly #tickets = new Map<PathId, (ticket: Ticket | undefined) => void>();
  readonly #redialling = new Set<string>();
  /** Addresses that the user named. What others resolve to is checked at each dial: servers named them. */
  readonly #own = new Set<string>();
  readonly #fallback: TransportFallback;
  readonly #return: TransportReturn;
  /** Tries since a path to the address was last in use for a while. */
  readonly #failures = new Map<string, number>();
  readonly #activeSince = new Map<string, number>();
  readonly #timers = new Set<unknown>();
  readonly #abort = new AbortController();
  #policy: AddressPolicy;

  constructor(driver: SessionDriver, options: PathDialerOptions) {
    this.#driver = driver;
    this.#options = options;
    this.#policy = { ...options.policy, primaryIsPrivate: false };
    const dialer: FallbackDialer = {
      now: () => driver.runtime.now(),
      isStopped: () => this.#isStopped(),
      pathsTo: (address) => this.#pathsTo(address),
      hasRoom: () => options.transportName === undefined && this.#hasRoom(),
      sleep: (ms) => this.#sleep(ms),
      dial: (address, identity, limit) => this.#dial(address, identity, this.#abort.signal, limit),
      takeIn: (link, address, identity, priority) => this.#takeIn(link, address, identity, priority),
      remove: (path, graceMs) => {
        driver.attempt((session) => session.lifecycle.drain(path, graceMs));
        driver.schedule();
      },
    };
    this.#fallback = new TransportFallback(options.transport, dialer);
    this.#return = new TransportReturn(options.transport, dialer);
  }

  /** Dials the session's first server. */
  async dialPrimary(address: ServerAddress, signal: AbortSignal | undefined): Promise<Link> {
    this.#own.add(formatAddress(address));
    const link = await this.#dial(address, undefined, signal);
    const dialled = parseRemote(link.properties.remoteAddress) ?? address;
    this.#policy = { ...this.#policy, primaryIsPrivate: isPrivateHost(dialled.host) || isPrivateHost(address.host) };
    return link;
  }

  /** A server that the user named: joined with a ticket of the primary if it gives one, else directly. */
  addOwn(target: string | URL): void {
    const address = parseAddress(target);
    this.#own.add(formatAddress(address));
    this.#redial(address, undefined, 128);
  }

  /** A server asked for a path. spec: PATH-8 */
  async addRequested(event: PathRequested): Promise<void> {
    const { session, runtime } = this.#driver;
    const refuse = (code: ErrorCode, reason: string): void => {
      session.clientPaths?.refuse(event.fromMember, event.requestId, code, reason);
      this.#driver.schedule();
    };
    const verdict = checkAddress(event.address, this.#policy);
    if (!verdict.allowed) {
      refuse(ErrorCode.ADDRESS_REFUSED, verdict.reason);
      return;
    }
    if (!this.#hasRoom()) {
      refuse(ErrorCode.LIMIT_REACHED, `the client allows ${this.#maxPaths} paths`);
      return;
    }
    if (this.#isStopped()) return;
    const address = parseAddress(event.address);
    const identity = event.identity === "" ? undefined : event.identity;
    if (identity !== undefined && !/^sha256:[0-9a-f]{64}$/.test(identity)) {
      refuse(ErrorCode.IDENTITY_MISMATCH, "an identity reads sha256: and 64 hex digits");
      return;
    }
    const full = session.clientPaths?.refusalOf(formatAddress(address), identity);
    if (full !== undefined) {
      refuse(full.code, full.reason);
      return;
    }
    const path = session.opening.openPath(runtime.now(), {
      address: formatAddress(address),
      identity,
      priority: event.priority,
      request: { member: event.fromMember, requestId: event.requestId },
    });
    // With the identity known the ticket is on its way while the link comes up.
    const early = identity === undefined ? undefined : this.#ticket(path.id, identity);
    this.#driver.schedule();
    let link: Link | undefined;
    try {
      link = await this.#dial(address, identity, this.#abort.signal);
      const proven = link.properties.provenIdentity ?? identity ?? "";
      const ticket = await (early ?? this.#ticket(path.id, proven));
      if (ticket === undefined || ticket.code !== 0) {
        throw new KwikError("TICKET_REFUSED", ticket === undefined ? "the server that wanted the path gave no ticket" : ticket.reason);
      }
      await this.#join(path, address, link, proven, ticket.ticket, event.fromMember);
    } catch (error) {
      const problem = KwikError.from(error);
      link?.close(codeOf(problem), "");
      session.linkLost(runtime.now(), path.id, codeOf(problem), problem.message);
      this.#driver.pump();
    }
  }

  handleTicket(ticket: Ticket): void {
    this.#tickets.get(ticket.pathId)?.(ticket);
  }

  /** A path died: dial the same server again until it answers or the member is given up. */
  pathDied(path: SessionPath): void {
    this.#fallback.pathDied(path);
    if (this.#isStopped()) return;
    // One that died as soon as it was there counts as a failure: whoever accepts and then breaks off must not be dialled without end.
    const activeSince = this.#activeSince.get(path.address) ?? Number.NEGATIVE_INFINITY;
    if (this.#driver.runtime.now() - activeSince >= PROVEN_AFTER_MS) this.#failures.set(path.address, 0);
    this.#redial(parseAddress(path.address), path.identity, path.priority);
    this.#return.pathDied(path);
  }

  /** A path has fallen silent, or is heard again. */
  pathDegraded(path: SessionPath): void {
    this.#fallback.pathDegraded(path);
  }

  pathRecovered(path: SessionPath): void {
    this.#fallback.pathRecovered(path);
  }

  /** A path was refused. The user's own servers, and those that were in use before, are tried again unless that is pointless. */
  pathFailed(path: SessionPath, code: number): void {
    if (this.#isStopped() || POINTLESS.has(code) || !this.#failures.has(path.address)) return;
    this.#redial(parseAddress(path.address), path.identity, path.priority);
  }

  /** A path is in use: the next loss of it is answered without delay. */
  pathActive(path: SessionPath): void {
    if (!this.#failures.has(path.address)) this.#failures.set(path.address, 0);
    this.#activeSince.set(path.address, this.#driver.runtime.now());
    this.#fallback.pathActive(path);
    this.#return.pathActive(path);
  }

  stop(): void {
    this.#abort.abort();
    for (const timer of this.#timers) this.#driver.runtime.clearTimer(timer);
    this.#timers.clear();
    for (const give of this.#tickets.values()) give(undefined);
  }

  #isStopped(): boolean {
    return this.#abort.signal.aborted || this.#driver.session.state.hasEnded;
  }

  #redial(address: ServerAddress, identity: string | undefined, priority: number): void {
    const key = formatAddress(address);
    if (this.#redialling.has(key)) return;
    this.#redialling.add(key);
    void this.#keepDialling(address, identity, priority).finally(() => this.#redialling.delete(key));
  }

  async #keepDialling(address: ServerAddress, identity: string | undefined, priority: number): Promise<void> {
    const key = formatAddress(address);
    for (;;) {
      if (this.#isStopped() || this.#hasPathTo(address)) return;
      const failures = this.#failures.get(key) ?? 0;
      // The first try of the user's own servers is at once, later ones wait longer each time until a path is active.
      if (failures > 0) await this.#sleep(Math.min(FIRST_REDIAL_MS * 2 ** (failures - 1), MAX_REDIAL_MS) * (0.75 + Math.random() * 0.5));
      if (this.#isStopped()) return;
      this.#failures.set(key, failures + 1);
      try {
        if (!this.#hasRoom()) throw this.#full();
        const link = await this.#dial(address, identity, this.#abort.signal);
        if (this.#hasPathTo(address)) {
          // A fallback was there first.
          link.close(0, "");
          return;
        }
        await this.#takeIn(link, address, identity, priority);
        return;
      } catch (error) {
        const problem = KwikError.from(error);
        if (this.#isStopped()) return;
        if (failures === 0) this.#options.onFailed(key, problem);
        if (problem.code === "LIMIT_REACHED" || problem.code === "INVALID_ARGUMENT") return;
        // Somebody else may have the port of another transport; a server that was in use may come back.
        if (problem.code === "NOT_TRUSTED" && !this.#activeSince.has(key)) return;
      }
    }
  }

  /** Makes a path of a link to a server of the user's, or one that was in use before. Throws LIMIT_REACHED. */
  async #takeIn(link: Link, address: ServerAddress, identity: string | undefined, priority: number): Promise<SessionPath | undefined> {
    const { session, runtime } = this.#driver;
    if (this.#isStopped()) {
      link.close(0, "");
      return undefined;
    }
    if (!this.#hasRoom()) {
      // Others were quicker.
      link.close(0, "");
      throw this.#full();
    }
    const proven = link.properties.provenIdentity ?? identity;
    const full = session.clientPaths?.refusalOf(formatAddress(address), proven);
    if (full !== undefined) {
      link.close(full.code, full.reason);
      throw new KwikError("LIMIT_REACHED", full.reason);
    }
    const path = session.opening.openPath(runtime.now(), {
      address: formatAddress(address),
      identity: proven,
      priority,
      request: undefined,
    });
    const isKnown = session.state.peerOf(path.member).isKnown;
    const ticket = isKnown ? undefined : await this.#ticket(path.id, proven ?? "");
    const isTicketed = ticket !== undefined && ticket.code === 0;
    await this.#join(path, address, link, proven ?? "", isTicketed ? ticket.ticket : "", isTicketed ? ticket.fromMember : undefined);
    return path;
  }

  async #join(
    path: SessionPath,
    address: ServerAddress,
    link: Link,
    identity: string,
    ticket: string,
    voucher: MemberId | undefined,
  ): Promise<void> {
    const { session, runtime } = this.#driver;
    const nonce = runtime.randomBytes(16);
    const issuedAtMs = Math.floor(runtime.wallClock());
    const statement = { sessionId: this.#options.sessionId(), pathId: path.id, memberId: path.member, identity, nonce, issuedAtMs, ticket };
    const proof = await this.#options.key.sign(joinTranscript(statement));
    if (path.isFinal || this.#isStopped()) {
      link.close(0, "");
      return;
    }
    if (voucher !== undefined) session.clientPaths?.vouched(path, voucher);
    this.choices.attached(path, link);
    this.#driver.attach(path.id, link);
    const info = {
      address: formatAddress(address),
      transport: link.properties.transport,
      identity: link.properties.provenIdentity,
      isEncrypted: link.capabilities.encrypted,
    };
    session.opening.join(runtime.now(), path.id, info, this.#options.token, { ticket, nonce, issuedAtMs, proof });
    this.#driver.pump();
  }

  /** Asks for a ticket; undefined if none came in time. */
  #ticket(pathId: PathId, identity: string): Promise<Ticket | undefined> {
    const { runtime, session } = this.#driver;
    return new Promise((resolve) => {
      const timer = runtime.setTimer(() => give(undefined), TICKET_WAIT_MS);
      const give = (ticket: Ticket | undefined): void => {
        runtime.clearTimer(timer);
        this.#tickets.delete(pathId);
        resolve(ticket);
      };
      this.#tickets.set(pathId, give);
      session.clientPaths?.requestTicket(pathId, identity);
      this.#driver.schedule();
    });
  }

  async #dial(
    address: ServerAddress,
    identity: string | undefined,
    signal: AbortSignal | undefined,
    limit: TransportLimit = {},
  ): Promise<Link> {
    const { transport, transportName } = this.#options;
    const { avoid, only } = limit;
    const link = await transport.dial({
      address: { ...address, transport: address.transport ?? transportName ?? only },
      identity,
      trust: trustFor(this.#options.trust, identity),
      clientCertificate: this.#options.clientCertificate,
      timeoutMs: this.#driver.session.state.limits.handshakeTimeoutMs,
      signal,
      avoid,
      checkResolved: this.#own.has(formatAddress(address)) ? undefined : (ips) => this.#refusalOf(ips),
    });
    const named = address.transport === undefined ? transportName && "option" : "address";
    const limited = avoid !== undefined ? "fallback" : only && "return";
    this.choices.dialled(link, named ?? limited ?? transport.choiceOf?.(link) ?? "only");
    return link;
  }

  #refusalOf(ips: readonly string[]): string | undefined {
    const verdict = checkResolved(ips, this.#policy);
    return verdict.allowed ? undefined : verdict.reason;
  }

  #hasPathTo(address: ServerAddress): boolean {
    return this.#pathsTo(formatAddress(address)).length > 0;
  }

  #pathsTo(address: string): SessionPath[] {
    return [...this.#driver.session.state.paths.all()].filter((path) => !path.isFinal && path.address === address);
  }

  #hasRoom(): boolean {
    return (this.#driver.session.clientPaths?.livePaths ?? 0) < this.#maxPaths;
  }

  #full(): KwikError {
    return new KwikError("LIMIT_REACHED", `this session may have ${this.#maxPaths} paths at once (pathPolicy.maxPaths)`);
  }

  get #maxPaths(): number {
    return this.#options.policy.maxPaths ?? this.#driver.session.state.limits.maxPaths;
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#driver.runtime.setTimer(() => {
        this.#timers.delete(timer);
        resolve();
      }, delayMs);
      this.#timers.add(timer);
    });
  }
}

function parseRemote(text: string): ServerAddress | undefined {
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}

function codeOf(error: KwikError): ErrorCode {
  if (error.code === "NOT_TRUSTED") return ErrorCode.IDENTITY_MISMATCH;
  return error.code in ErrorCode ? ErrorCode[error.code as keyof typeof ErrorCode] : ErrorCode.UNREACHABLE;
}
