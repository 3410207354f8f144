import { ErrorCode, type MemberId, type SessionPath } from "@kwik/proto";
import { KwikError } from "../api/errors.ts";
import type { PathPolicy, TrustOptions } from "../api/options.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import { isPrivateHost } from "../policy/address-policy.ts";
import { joinTranscript } from "../session-key/join-transcript.ts";
import type { SessionKey } from "../session-key/session-key.ts";
import { formatAddress, formatServer, parseAddress, type Relay, type ServerAddress, type TransportName } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import type { Transport } from "../transport/transport.ts";
import { AdvertisedAddresses, type Joining } from "./advertised-addresses.ts";
import { type RedialledServer, Redials } from "./redials.ts";
import { trustFor } from "./server-trust.ts";
import { type ReachedServer, reachFirst, ServerWays } from "./server-ways.ts";
import { type Ticket, TicketRequests } from "./ticket-requests.ts";
import { TransportChoices } from "./transport-choices.ts";
import { type FallbackDialer, TransportFallback, type TransportLimit } from "./transport-fallback.ts";
import { TransportReturn } from "./transport-return.ts";

export interface PathDialerOptions {
  readonly transport: Transport;
  /** The one to use where an address names none. */
  readonly transportName: TransportName | undefined;
  readonly relays: readonly Relay[];
  readonly trust: TrustOptions;
  /** Identities that are not believed any more. */
  readonly revoked: readonly string[] | undefined;
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
  /** What servers ask for. */
  readonly advertised: AdvertisedAddresses;
  readonly #driver: SessionDriver;
  readonly #options: PathDialerOptions;
  readonly #tickets: TicketRequests;
  readonly #redials: Redials;
  readonly #ways: ServerWays;
  readonly #fallback: TransportFallback;
  readonly #return: TransportReturn;
  readonly #timers = new Set<unknown>();
  readonly #abort = new AbortController();
  /** A port that a server chose, and the one IP address at which its host is dialled there. */
  #kept: { readonly host: string; readonly port: number; readonly ip: string } | undefined;

  constructor(driver: SessionDriver, options: PathDialerOptions) {
    this.#driver = driver;
    this.#options = options;
    this.#ways = new ServerWays(options.relays);
    this.#tickets = new TicketRequests(driver);
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
    this.#redials = new Redials({
      now: () => driver.runtime.now(),
      isStopped: () => this.#isStopped(),
      hasRoom: () => this.#hasRoom(),
      full: () => this.#full(),
      hasPathTo: (address) => this.#pathsTo(address).length > 0,
      sleep: (ms) => this.#sleep(ms),
      connect: (server) => this.#connect(server),
      onFailed: options.onFailed,
    });
    this.advertised = new AdvertisedAddresses(driver, options, this.#redials, this.#tickets, {
      isStopped: () => this.#isStopped(),
      hasRoom: () => this.#hasRoom(),
      maxPaths: this.#maxPaths,
      full: () => this.#full(),
      dial: (address, identity) => this.#dial(address, identity, this.#abort.signal),
      join: (joining) => this.#join(joining),
    });
    driver.session.state.prospects = () => this.#redials.count;
  }

  /** From now on the host is dialled at `ip` for this port: a server chose it, and the name may come to stand for another host. */
  keepAt({ host, port }: ServerAddress, ip: string): void {
    this.#kept = { host, port, ip };
  }

  /** Dials the session's first server, in whichever way leads there. `identity` is what it has to prove, where that is known. */
  async dialPrimary(address: ServerAddress, identity: string | undefined, signal: AbortSignal | undefined): Promise<ReachedServer> {
    const reached = await reachFirst(this.#ownWays(address), (way, either) => this.#dial(way, identity, either), signal);
    const dialled = parseRemote(reached.link.properties.remoteAddress) ?? address;
    // What is private to a relay is in the network of the relay.
    const isPrivate = reached.address.relay === undefined && (isPrivateHost(dialled.host) || isPrivateHost(address.host));
    if (isPrivate) this.advertised.primaryIsPrivate();
    return reached;
  }

  /** The user's servers, each in every way: joined with a ticket of the primary if it gives one, else directly. */
  addOwn(servers: readonly ServerAddress[]): void {
    for (const server of servers) for (const way of this.#ownWays(server)) this.#redials.dial(way);
  }

  handleTicket(ticket: Ticket): void {
    this.#tickets.answered(ticket);
  }

  /** A path died: dial the same server again until it answers or the member is given up. */
  pathDied(path: SessionPath): void {
    this.#fallback.pathDied(path);
    if (this.#isStopped()) return;
    if (this.#peerOf(path).hasDeparted) this.#redials.departed(path.address);
    else this.#redials.pathDied(path);
    this.#return.pathDied(path);
  }

  /** A path was taken out by wish, or because its server is lost to the session. */
  pathClosed(path: SessionPath): void {
    const { isLeft, hasDeparted } = this.#peerOf(path);
    if (isLeft || hasDeparted) this.#redials.departed(path.address);
    else if (this.#pathsTo(path.address).length === 0) this.#redials.pathRemoved(path.address);
  }

  /** The session has no path: every server is dialled. It has one again. */
  suspended(isSuspended: boolean): void {
    if (isSuspended) this.#redials.suspended();
    else this.#redials.resumed();
  }

  /** A server is lost to the session for good. */
  serverLost(): void {
    this.#redials.serverLost();
  }

  /** A path has fallen silent, or is heard again. */
  pathDegraded(path: SessionPath): void {
    if (this.#ways.of(path).relay === undefined) this.#fallback.pathDegraded(path);
  }

  pathRecovered(path: SessionPath): void {
    this.#fallback.pathRecovered(path);
  }

  /** A path was refused. */
  pathFailed(path: SessionPath, code: number): void {
    if (!this.#isStopped()) this.#redials.pathFailed(path, code, path.retryAfterMs);
  }

  /** A path is in use: the next loss of it is answered without delay. */
  pathActive(path: SessionPath): void {
    this.#redials.pathActive(path);
    this.#fallback.pathActive(path);
    this.#return.pathActive(path);
  }

  stop(): void {
    this.#abort.abort();
    for (const timer of this.#timers) this.#driver.runtime.clearTimer(timer);
    this.#timers.clear();
    this.#tickets.stop();
  }

  #isStopped(): boolean {
    return this.#abort.signal.aborted || this.#driver.session.state.hasEnded;
  }

  #peerOf(path: SessionPath): { readonly isLeft: boolean; readonly hasDeparted: boolean } {
    return this.#driver.session.state.peerOf(path.member);
  }

  #ownWays(server: ServerAddress): readonly ServerAddress[] {
    const ways = this.#ways.to(server);
    for (const way of ways) this.#redials.own(way);
    return ways;
  }

  async #connect({ address, key, identity, priority, authority }: RedialledServer): Promise<void> {
    const link = await this.#dial(address, identity, this.#abort.signal);
    this.advertised.proven(key);
    // A fallback was there first.
    if (this.#pathsTo(key).length > 0) link.close(0, "");
    else await this.#takeIn(link, address, identity, priority, authority);
  }

  /**
   * Makes a path of a link to a server of the user's, or one that was in use before; to one that `authority` wants, with a ticket of that one. Throws LIMIT_REACHED, and
   * TICKET_REFUSED for a stranger without ticket.
   */
  async #takeIn(
    link: Link,
    address: ServerAddress,
    identity: string | undefined,
    priority: number,
    authority?: MemberId,
  ): Promise<SessionPath | undefined> {
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
    const server = formatServer(address);
    const full = session.clientPaths?.refusalOf(server, proven);
    if (full !== undefined) {
      link.close(full.code, full.reason);
      throw new KwikError("LIMIT_REACHED", full.reason);
    }
    const key = formatAddress(address);
    const isStranger = !this.#redials.isOwn(key) && !this.#redials.wasActive(key);
    const isAuthorityHere = authority !== undefined && !session.state.peerOf(authority).isLost;
    const path = session.opening.openPath(runtime.now(), {
      address: key,
      server,
      identity: proven,
      priority,
      request: undefined,
      authority: isAuthorityHere ? authority : session.clientPaths?.voucherOf(server, proven),
    });
    const isKnown = session.state.peerOf(path.member).isKnown;
    const ticket = isKnown ? undefined : await this.#tickets.request(path.id, proven ?? "");
    const isTicketed = ticket !== undefined && ticket.code === 0;
    if (!isKnown && !isTicketed && isStranger) {
      // Only the user's own servers are joined without one. spec: PATH-9
      const problem = new KwikError("TICKET_REFUSED", `the server that named ${key} gave no ticket`);
      link.close(ErrorCode.TICKET_REFUSED, "");
      session.linkLost(runtime.now(), path.id, ErrorCode.TICKET_REFUSED, problem.message);
      throw problem;
    }
    const credential = isTicketed ? { ticket: ticket.ticket, voucher: ticket.fromMember } : { ticket: "", voucher: undefined };
    await this.#join({ path, address, link, identity: proven ?? "", ...credential });
    return path;
  }

  async #join({ path, address, link, identity, ticket, voucher }: Joining): Promise<void> {
    const { session, runtime } = this.#driver;
    const statement = { sessionId: this.#options.sessionId(), pathId: path.id, memberId: path.member, identity, ticket };
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
    // What the user gave is for the user's own servers, not for those that others name; nor is it asked for where there is a ticket.
    const token = ticket === "" && this.#redials.isOwn(path.address) ? this.#options.token : "";
    session.opening.join(runtime.now(), path.id, info, token, { ticket, proof });
    this.#driver.pump();
  }

  async #dial(
    address: ServerAddress,
    identity: string | undefined,
    signal: AbortSignal | undefined,
    limit: TransportLimit = {},
  ): Promise<Link> {
    const { transport, transportName } = this.#options;
    const { avoid, only } = limit;
    const isRelayed = address.relay !== undefined;
    // Through a relay it is the server that is known, or nobody. spec: RELAY-3
    const expected = identity ?? (isRelayed ? this.#driver.session.clientPaths?.identityAt(formatServer(address)) : undefined);
    const link = await transport.dial({
      address: { ...address, transport: address.transport ?? transportName ?? only },
      identity: expected,
      ip: this.#kept?.host === address.host && this.#kept.port === address.port ? this.#kept.ip : undefined,
      trust: trustFor(this.#options.trust, expected, this.#options.revoked),
      clientCertificate: this.#options.clientCertificate,
      timeoutMs: this.#driver.session.state.limits.handshakeTimeoutMs,
      signal,
      avoid,
      checkResolved: this.#redials.isOwn(formatAddress(address)) ? undefined : (ips) => this.advertised.refusalOf(ips),
    });
    const named = isRelayed ? "only" : address.transport === undefined ? transportName && "option" : "address";
    const limited = avoid !== undefined ? "fallback" : only && "return";
    this.choices.dialled(link, named ?? limited ?? transport.choiceOf?.(link) ?? "only");
    return link;
  }

  #pathsTo(address: string): SessionPath[] {
    return [...this.#driver.session.state.paths.all()].filter((path) => !path.isFinal && path.address === address);
  }

  #hasRoom(): boolean {
    return (this.#driver.session.clientPaths?.livePaths ?? 0) < this.#maxPaths;
  }

  #full(): KwikError {
    return new KwikError("LIMIT_REACHED", `this session may have ${this.#maxPaths} paths (pathPolicy.maxPaths)`);
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
