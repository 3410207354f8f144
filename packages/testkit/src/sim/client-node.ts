import { ErrorCode, SeededRng, Session, type MemberId, type PathId, type SessionEvent, type SessionPath } from "@kwik/proto";
import { sha256 } from "./content-shelf.ts";
import { Endpoint, type EndpointOwner } from "./endpoint.ts";
import type { HostClock } from "./host-clock.ts";
import type { Line } from "./line.ts";
import type { Network, Setting } from "./network.ts";
import type { SimLinkEnd } from "./sim-link.ts";
import { StreamEnds } from "./stream-ends.ts";

type PathRequested = Extract<SessionEvent, { type: "path-requested" }>;
type Ticket = Extract<SessionEvent, { type: "ticket" }>;

const TICKET_WAIT_MS = 2_000;
const FIRST_REDIAL_MS = 100;
const MAX_REDIAL_MS = 4_000;
const LEAVING_PAUSE_MS = 1_000;

/** The client of a simulated world: dials, joins with tickets, and dials again what died, as the client of core does. */
export class ClientNode implements EndpointOwner {
  readonly endpoint: Endpoint;
  isEstablished = false;
  /** Whether paths that died are made again. */
  isRedialling = true;
  readonly datagrams: Uint8Array[] = [];
  readonly goingAway: MemberId[] = [];
  readonly #setting: Setting;
  readonly #network: Network;
  readonly #identityOf: (line: Line) => string;
  readonly #tickets = new Map<PathId, (ticket: Ticket | undefined) => void>();
  readonly #redials = new Set<string>();
  /** Addresses that were in use, and may be dialled again. */
  readonly #used = new Set<string>();
  readonly #requested = new Set<PathId>();

  constructor(setting: Setting, network: Network, identityOf: (line: Line) => string) {
    this.#setting = setting;
    this.#network = network;
    this.#identityOf = identityOf;
    const { clock, rng, incidents, streams, scheduler, clientLimits } = setting;
    const session = new Session(
      {
        role: "client",
        member: 0,
        limits: clientLimits,
        rng: new SeededRng(Math.floor(rng.next() * 2 ** 32)),
        scheduler,
        agent: "simulated/1",
        clientKey: new Uint8Array(91).fill(7),
        identity: "",
        checksum: undefined,
      },
      clock.now,
    );
    session.state.prospects = () => this.#redials.size;
    this.endpoint = new Endpoint(
      "client",
      session,
      clock,
      new StreamEnds("client", "client", session, clock, incidents, streams),
      incidents,
      this,
    );
  }

  get session(): Session {
    return this.endpoint.session;
  }

  get clock(): HostClock {
    return this.#setting.clock;
  }

  /** Dials the primary; `isEstablished` follows. */
  start(line: Line): void {
    const { clock } = this.#setting;
    this.#dial(line, (end) => {
      if (end === undefined) throw new Error(`nobody listens at ${line.address}`);
      const identity = this.#identityOf(line);
      const path = this.session.opening.openPath(clock.now, { address: line.address, identity, priority: 128, request: undefined });
      this.endpoint.attach(path.id, end);
      this.session.opening.hello(clock.now, path.id, this.#info(line), "");
      this.endpoint.pump();
    });
  }

  onEvent(_endpoint: Endpoint, event: SessionEvent): void {
    switch (event.type) {
      case "established":
        this.isEstablished = true;
        return;
      case "path-requested":
        this.#addRequested(event);
        return;
      case "ticket":
        this.#tickets.get(event.pathId)?.(event);
        return;
      case "path-active":
        this.#used.add(event.path.address);
        return;
      case "path-closed":
        // Taken out by wish.
        this.#used.delete(event.path.address);
        return;
      case "path-dead":
        this.redial(event.path.address, event.path.priority);
        return;
      case "suspended":
        for (const address of this.#used) this.redial(address);
        return;
      case "path-failed":
        // A server that asked for a path hears that it failed, and may ask again.
        if (this.isEstablished && (!this.#requested.has(event.path.id) || this.#isCutOff(event.path.member))) {
          const { address, priority } = event.path;
          // It will be gone for a moment at least.
          if (event.code === ErrorCode.GOING_AWAY) this.clock.schedule(LEAVING_PAUSE_MS, () => this.redial(address, priority));
          else this.redial(address, priority);
        }
        return;
      case "verify-block":
        this.#verify(event.parts, event.expected, (isRight) =>
          this.session.content.handleVerified(event.fetchId, "block", event.block, event.attempt, isRight),
        );
        return;
      case "verify-root":
        this.#verify(event.hashes, event.expected, (isRight) => this.session.content.handleVerified(event.fetchId, "root", 0, 0, isRight));
        return;
      case "datagram":
        this.datagrams.push(event.data);
        return;
      case "going-away":
        this.goingAway.push(event.member);
        // spec: DRAIN-2
        for (const { address } of event.replacements) this.redial(address, 128, event.member);
        return;
      default:
    }
  }

  onLinkGone(): void {}

  /** Makes a path to a server that the user named, that is to be used instead of another, or again one that died; tries until it is there. */
  redial(address: string, priority = 128, authority?: MemberId): void {
    const line = this.#network.lineTo(address);
    if (!this.isRedialling || line === undefined || this.#redials.has(address)) return;
    this.#redials.add(address);
    this.#attempt(line, priority, authority, FIRST_REDIAL_MS);
  }

  #attempt(line: Line, priority: number, authority: MemberId | undefined, delayMs: number): void {
    const { clock, rng, incidents } = this.#setting;
    const again = (): void => {
      const nextMs = Math.min(delayMs * 2, MAX_REDIAL_MS);
      clock.schedule(delayMs * (0.75 + rng.next() * 0.5), () => this.#attempt(line, priority, authority, nextMs));
    };
    if (this.session.state.hasEnded || !this.isRedialling || this.#hasPathTo(line.address)) {
      this.#redials.delete(line.address);
      return;
    }
    incidents.note("redial", "client", line.address);
    this.#dial(line, (end) => {
      if (this.session.state.hasEnded) {
        end?.close(0, "");
        this.#redials.delete(line.address);
        return;
      }
      if (end === undefined) return again();
      const identity = this.#identityOf(line);
      const plan = { address: line.address, identity, priority, request: undefined, authority };
      const path = this.session.opening.openPath(clock.now, plan);
      const join = (ticket: Ticket | undefined): void => {
        // A path that fails from here on comes back as an event.
        this.#redials.delete(line.address);
        const isTicketed = ticket !== undefined && ticket.code === 0;
        this.#join(path, line, end, isTicketed ? ticket.ticket : "", isTicketed ? ticket.fromMember : undefined);
      };
      if (this.session.state.peerOf(path.member).isKnown) join(undefined);
      else this.#ticket(path.id, identity, join);
    });
  }

  #addRequested(event: PathRequested): void {
    const { clock } = this.#setting;
    const line = this.#network.lineTo(event.address);
    if (line === undefined) {
      this.session.clientPaths?.refuse(event.fromMember, event.requestId, ErrorCode.ADDRESS_REFUSED, "not on the map");
      return;
    }
    const path = this.session.opening.openPath(clock.now, {
      address: line.address,
      identity: event.identity,
      priority: event.priority,
      request: { member: event.fromMember, requestId: event.requestId },
    });
    this.#requested.add(path.id);
    let link: SimLinkEnd | undefined;
    let ticket: Ticket | undefined;
    const proceed = (): void => {
      if (link === undefined || ticket === undefined) return;
      if (ticket.code !== 0) return this.#fail(path, ticket.code, ticket.reason);
      this.#join(path, line, link, ticket.ticket, event.fromMember);
    };
    this.#ticket(path.id, event.identity, (answer) => {
      if (answer === undefined) {
        link?.close(ErrorCode.TICKET_REFUSED, "no ticket");
        return this.#fail(path, ErrorCode.TICKET_REFUSED, "no ticket came");
      }
      ticket = answer;
      proceed();
    });
    this.#dial(line, (end) => {
      if (end === undefined) return this.#fail(path, ErrorCode.UNREACHABLE, "nobody answers");
      link = end;
      if (path.isFinal) end.close(0, "");
      else proceed();
    });
  }

  #join(path: SessionPath, line: Line, link: SimLinkEnd, ticket: string, voucher: MemberId | undefined): void {
    const { clock, rng } = this.#setting;
    if (path.isFinal || this.session.state.hasEnded) return link.close(0, "");
    if (voucher !== undefined) this.session.clientPaths?.vouched(path, voucher);
    this.endpoint.attach(path.id, link);
    // Nobody checks it here; as that of a real client it is another one for each join.
    const proof = new Uint8Array(64);
    for (let index = 0; index < 16; index += 1) proof[index] = Math.floor(rng.next() * 256);
    this.session.opening.join(clock.now, path.id, this.#info(line), "", { ticket, proof });
    this.endpoint.pump();
  }

  #fail(path: SessionPath, code: number, reason: string): void {
    this.session.linkLost(this.#setting.clock.now, path.id, code, reason);
    this.endpoint.wake();
  }

  #ticket(pathId: PathId, identity: string, done: (ticket: Ticket | undefined) => void): void {
    const { clock } = this.#setting;
    const give = (ticket: Ticket | undefined): void => {
      if (!this.#tickets.delete(pathId)) return;
      clock.cancel(timer);
      done(ticket);
    };
    const timer = clock.schedule(TICKET_WAIT_MS, () => give(undefined));
    this.#tickets.set(pathId, give);
    // Nobody is there to sign one.
    if (this.session.lifecycle.isSuspended || this.session.clientPaths?.requestTicket(pathId, identity) !== true) give(undefined);
    this.endpoint.wake();
  }

  #dial(line: Line, done: (end: SimLinkEnd | undefined) => void): void {
    this.#network.dial(line, this.#handshakeMs, (end) => this.clock.run(() => done(end)));
  }

  #verify(parts: readonly Uint8Array[], expected: Uint8Array, done: (isRight: boolean) => void): void {
    const isRight = Buffer.from(sha256(parts)).equals(expected);
    this.#setting.clock.schedule(this.#setting.hashMs, () => {
      done(isRight);
      this.endpoint.pump();
    });
  }

  #info(line: Line): { address: string; transport: string; identity: string; isEncrypted: boolean } {
    return { address: line.address, transport: "simulated", identity: this.#identityOf(line), isEncrypted: true };
  }

  /** It was reached before, and no path to it is left. */
  #isCutOff(member: MemberId): boolean {
    const { state } = this.session;
    return state.peerOf(member).isKnown && state.paths.usableOf(member).length === 0;
  }

  #hasPathTo(address: string): boolean {
    for (const path of this.session.state.paths.all()) if (!path.isFinal && path.address === address) return true;
    return false;
  }

  get #handshakeMs(): number {
    return this.#setting.clientLimits.handshakeTimeoutMs;
  }
}
