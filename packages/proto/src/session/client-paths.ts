import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import { MAX_MEMBERS, PRIMARY_MEMBER, type MemberId, type PathId } from "../base/ids.ts";
import { body, type ControlMessage } from "../control/control-body.ts";
import { Path } from "../path/path.ts";
import type { Peer } from "./peer.ts";
import type { SentFrame } from "./sent-frame.ts";
import type { SessionPath } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";

/** A path that the client is about to make. */
export interface PathPlan {
  /** "host:port" */
  readonly address: string;
  /** What its server is known by, where the address names a way to it and not it alone. */
  readonly server?: string;
  /** "sha256:…" if it is known whom to expect. */
  readonly identity: string | undefined;
  readonly priority: number;
  /** The server that asked for it, with the number of its request. */
  readonly request: { readonly member: MemberId; readonly requestId: number } | undefined;
  /** The server whose ticket it needs: the one that asked for it, that leaves and named it, or that vouched for it before. Default: the primary. */
  readonly authority?: MemberId | undefined;
}

/** Requests to remove one path that wait for its end, at most. */
const MAX_REMOVALS = 16;

interface PlannedPath {
  readonly path: SessionPath;
  readonly plan: PathPlan;
  /** The server whose ticket it needs. */
  readonly authority: MemberId;
}

/** The client's side of membership: numbers paths and servers, asks for tickets, and answers the servers that wanted a path. spec: PATH-8 */
export class ClientPaths {
  readonly #state: SessionState;
  readonly #planned = new Map<PathId, PlannedPath>();
  readonly #memberByIdentity = new Map<string, MemberId>();
  readonly #memberByAddress = new Map<string, MemberId>();
  /** Who waits for the end of a path. */
  readonly #removals = new Map<PathId, { readonly member: MemberId; readonly requestId: number }[]>();
  #nextPath = 0;
  #nextMember: MemberId = PRIMARY_MEMBER;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** Paths that count against `maxPaths`. */
  get livePaths(): number {
    let live = 0;
    // What leads to a server that leaves is to be replaced. spec: DRAIN-2
    for (const path of this.#state.paths.all()) if (!path.isFinal && !this.#state.peerOf(path.member).isGoingAway) live += 1;
    return live;
  }

  /** Who vouched last for a server that was a member, while that one is not lost. */
  voucherOf(address: string, identity: string | undefined): MemberId | undefined {
    const member = identity === undefined ? this.#memberByAddress.get(address) : this.#memberByIdentity.get(identity);
    const voucher = member === undefined ? undefined : this.#state.peerOf(member).vouchedBy;
    return voucher === undefined || this.#state.peerOf(voucher).isLost ? undefined : voucher;
  }

  /** Why no path can be made to a server; undefined if one can. To be asked before `open`. */
  refusalOf(address: string, identity: string | undefined): ProtocolFailure | undefined {
    if (this.#knownMember(address, identity) !== undefined || this.#nextMember < MAX_MEMBERS) return undefined;
    return failure(ErrorCode.LIMIT_REACHED, `a session has at most ${MAX_MEMBERS - 1} servers, all numbers were used`);
  }

  /** What the server at an address has proven to be, if anything. */
  identityAt(address: string): string | undefined {
    const member = this.#memberByAddress.get(address);
    return member === undefined ? undefined : this.#state.peerOf(member).identity;
  }

  open(plan: PathPlan): SessionPath {
    const id = this.#nextPath++;
    const server = plan.server ?? plan.address;
    const member = this.#memberFor(server, plan.identity);
    const path: SessionPath = new Path<SentFrame>(id, member, this.#state.limits, this.#state.now);
    path.address = plan.address;
    path.identity = plan.identity;
    path.priority = plan.priority;
    path.isPrimary = id === 0;
    path.setState(
      "connecting",
      plan.request === undefined ? "wanted by this client" : `wanted by member ${plan.request.member}`,
      this.#state.now,
    );
    this.#state.paths.add(path);
    this.#planned.set(id, { path, plan, authority: plan.request?.member ?? plan.authority ?? this.#state.primary });
    const peer = this.#state.peerOf(member);
    if (peer.address === "") peer.address = server;
    this.report(path);
    return path;
  }

  /** Whether paths are being made that need a ticket of the member. */
  needs(member: MemberId): boolean {
    for (const planned of this.#planned.values()) if (planned.authority === member && !planned.path.isVouched) return true;
    return false;
  }

  /** Asks for a ticket: of the server that wanted the path, else of the primary. The answer is a `ticket` event; false if nobody is there to ask. */
  requestTicket(pathId: PathId, identity: string): boolean {
    const planned = this.#planned.get(pathId);
    if (planned === undefined || this.#state.peerOf(planned.authority).isLost) return false;
    this.#state.peerOf(planned.authority).control.send(
      body("ticketRequest", {
        requestId: pathId,
        pathId,
        memberId: planned.path.member,
        address: planned.plan.address,
        identity,
      }),
    );
    return true;
  }

  handleTicket(from: MemberId, message: ControlMessage<"ticketReply">): void {
    const planned = this.#planned.get(message.requestId);
    // Only who was asked can answer. spec: PATH-8
    if (planned === undefined || from !== planned.authority) return;
    this.#state.emit({
      type: "ticket",
      pathId: message.requestId,
      ticket: message.ticket,
      fromMember: from,
      code: message.code,
      reason: message.reason,
    });
  }

  /** The ticket of `minter` was accepted: that server vouches for the new member. */
  vouched(path: SessionPath, minter: MemberId): void {
    path.isVouched = true;
    const peer = this.#state.peerOf(path.member);
    // Who is gone answers for nobody any more. spec: PRIMARY-4
    if (peer.vouchedBy === undefined || this.#state.peerOf(peer.vouchedBy).isLost) peer.vouchedBy = minter;
  }

  /** The transport proved who is there. A known server keeps its number. */
  proven(path: SessionPath, identity: string): void {
    path.identity = identity;
    const peer = this.#state.peerOf(path.member);
    peer.identity ??= identity;
    if (!this.#memberByIdentity.has(identity)) this.#memberByIdentity.set(identity, path.member);
  }

  active(path: SessionPath): void {
    // The state goes first: whoever wanted the path finds it active when the answer comes.
    this.report(path);
    this.#settle(path, ErrorCode.NO_ERROR, "");
  }

  failed(path: SessionPath, code: number, reason: string): void {
    this.#settle(path, code === ErrorCode.NO_ERROR ? ErrorCode.PATH_DEAD : code, reason);
    this.report(path);
    for (const { member, requestId } of this.#removals.get(path.id) ?? [])
      this.#state.peerOf(member).control.send(body("removePathResult", { requestId, code: ErrorCode.NO_ERROR, reason: "" }));
    this.#removals.delete(path.id);
  }

  /** A server wants the path removed, and will hear when it is closed. False if too many wait for that already. */
  awaitRemoval(path: SessionPath, member: MemberId, requestId: number): boolean {
    const waiting = this.#removals.get(path.id) ?? [];
    if (waiting.length >= MAX_REMOVALS) return false;
    waiting.push({ member, requestId });
    this.#removals.set(path.id, waiting);
    return true;
  }

  /** A server asked for a path and the policy says no. */
  refuse(member: MemberId, requestId: number, code: number, reason: string): void {
    this.#state.peerOf(member).control.send(body("addPathResult", { requestId, code, reason, pathId: 0 }));
  }

  /** Tells the servers that may know how a path does. spec: PATH-12 */
  report(path: SessionPath, only?: MemberId): void {
    const message = body("pathStatus", {
      pathId: path.id,
      memberId: path.member,
      address: path.address,
      transport: path.transport,
      identity: path.identity ?? "",
      state: path.state,
      reason: path.stateReason,
      vouched: path.isVouched,
      primary: path.isPrimary,
      rttMs: path.smoothedRttMs ?? 0,
      receiveRate: path.receiveRate(this.#state.now),
      bytesReceived: BigInt(path.bytesReceived),
      bytesSent: BigInt(path.bytesSent),
    });
    for (const peer of this.#state.peers.values()) {
      if (peer.isLost || !peer.isKnown || !peer.isVouched || (only !== undefined && peer.member !== only)) continue;
      // Who is out of reach hears the last of it: what changes meanwhile must not pile up. spec: RESUME-8
      if (this.#state.paths.usableOf(peer.member).length === 0) peer.untoldPaths.add(path.id);
      else peer.control.send(message);
    }
  }

  /** A server that may know the paths learns of all when it is first there, and of what changed when it is back. */
  tellPaths(peer: Peer): void {
    if (!peer.isVouched) return;
    if (!peer.isToldOfPaths) for (const path of this.#state.paths.all()) if (path.member !== peer.member) peer.untoldPaths.add(path.id);
    peer.isToldOfPaths = true;
    for (const pathId of peer.untoldPaths) {
      const path = this.#state.paths.byId(pathId);
      if (path !== undefined) this.report(path, peer.member);
    }
    peer.untoldPaths.clear();
  }

  /** The member of a server, by its key if that is known, else by its address; a new number if it is new. */
  #memberFor(address: string, identity: string | undefined): MemberId {
    const known = this.#knownMember(address, identity);
    if (known !== undefined) return known;
    if (this.#nextMember >= MAX_MEMBERS) throw new RangeError(`a session has at most ${MAX_MEMBERS - 1} servers; ask refusalOf before`);
    const member = this.#nextMember++;
    if (identity !== undefined) this.#memberByIdentity.set(identity, member);
    this.#memberByAddress.set(address, member);
    return member;
  }

  #knownMember(address: string, identity: string | undefined): MemberId | undefined {
    const known = identity === undefined ? this.#memberByAddress.get(address) : this.#memberByIdentity.get(identity);
    return known === undefined || this.#state.peerOf(known).isLost ? undefined : known;
  }

  #settle(path: SessionPath, code: number, reason: string): void {
    const planned = this.#planned.get(path.id);
    if (planned === undefined) return;
    this.#planned.delete(path.id);
    const { request } = planned.plan;
    if (request === undefined) return;
    this.#state.peerOf(request.member).control.send(body("addPathResult", { requestId: request.requestId, code, reason, pathId: path.id }));
  }
}
