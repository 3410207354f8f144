import {
  CLIENT_MEMBER,
  ErrorCode,
  errorName,
  type MemberId,
  type PathAcceptance,
  type Session,
  type SessionEvent,
  type StreamEntry,
  type StreamSender,
} from "@kwik/proto";
import { byteProblem } from "../api/byte-argument.ts";
import type { Contribution, RawHandler, ServerSession, WaitOptions } from "../api/contract.ts";
import type { ContentRequest, ContentStore } from "../api/content.ts";
import { KwikError, PathError, type SessionClosedError } from "../api/errors.ts";
import type { JoinAuthority } from "../api/join-authority.ts";
import { checkPriority, Priority } from "../api/priority.ts";
import type { ListenOptions } from "../api/options.ts";
import type { HookName, PathInfo } from "../api/stats.ts";
import type { Runtime } from "../driver/runtime.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import { BaseSession } from "../session/base-session.ts";
import { ContentOffers } from "../session/content-offers.ts";
import { ContentReads } from "../session/content-reads.ts";
import type { SendPool } from "../session/send-budget.ts";
import type { SendHalf } from "../session/send-half.ts";
import type { ContentOfferer } from "../session/duplex-stream.ts";
import { remotePath } from "../session/path-info.ts";
import { formatAddress, parseAddress } from "../transport/address.ts";
import { ClientAnswers } from "./client-answers.ts";
import { HomeContribution } from "./home-contribution.ts";
import { OpenContribution } from "./contribution.ts";
import type { TurnShare } from "./fair-turns.ts";
import { StreamGate } from "./stream-gate.ts";
import { TicketMinting } from "./ticket-minting.ts";

export interface ServerSessionOptions {
  readonly clientIdentity: string | undefined;
  /** Of the certificates that the client showed when the session began, first to the server whose ticket it came with; `authenticate` may have given it another name. */
  readonly certificateIdentities: readonly string[];
  readonly content: ContentStore | undefined;
  readonly authority: JoinAuthority | undefined;
  readonly authorizeStream: ListenOptions["authorizeStream"];
  readonly maxPendingAuthorizations: number;
  /** Its part in the calls of `authorizeStream` of all sessions. */
  readonly streamTurns: TurnShare;
  /** The same for calls of `ContentStore.open`. */
  readonly openingTurns: TurnShare;
  readonly contentReadTimeoutMs: number;
  /** What it shares with the other sessions of its listener. */
  readonly sendPool: SendPool;
  /** A hook of the application failed. */
  readonly onFault: (hook: HookName, why: string) => void;
  /** The application has refused a stream. */
  readonly onStreamRefused: () => void;
  /** It has no path any more, or has one again. */
  readonly onSuspended: (isSuspended: boolean) => void;
  readonly onEnded: (error: SessionClosedError) => void;
}

/** A server's side of a session. */
export class ServerSessionOverPaths extends BaseSession implements ServerSession {
  readonly clientIdentity: string | undefined;
  readonly #options: ServerSessionOptions;
  readonly #offers: ContentOffers;
  readonly #reads: ContentReads;
  readonly #gate: StreamGate | undefined;
  readonly #requests = new ClientAnswers<number>();
  readonly #raws = new ClientAnswers<Uint8Array>();
  readonly #minting: TicketMinting;
  readonly #contributions = new Map<StreamSender, OpenContribution>();
  #rawHandler: RawHandler | undefined;
  /** All that the application has said or heard so far, as one number, and when that was last seen to grow. */
  #words = -1;
  #activeAt: number;

  constructor(proto: Session, runtime: Runtime, options: ServerSessionOptions) {
    super(proto, runtime, options.sendPool);
    this.clientIdentity = options.clientIdentity;
    this.#activeAt = runtime.now();
    this.#options = options;
    this.#offers = new ContentOffers(this.driver, this.#server.content);
    const storeRequest = (): ContentRequest => ({ clientIdentity: this.clientIdentity, sessionId: this.id });
    this.#reads = new ContentReads(
      this.driver,
      this.#server.content,
      options.content,
      storeRequest,
      (contentId, isAsked) => this.#offers.find(contentId, isAsked),
      options.openingTurns,
      options.onFault,
      options.contentReadTimeoutMs,
    );
    this.#gate = this.#makeGate(options);
    this.#minting = new TicketMinting(this.driver, options.authority, {
      clientIdentity: this.clientIdentity,
      certificateIdentity: options.certificateIdentities[0],
    });
  }

  #makeGate({ authorizeStream: authorize, maxPendingAuthorizations, streamTurns, ...told }: ServerSessionOptions): StreamGate | undefined {
    if (authorize === undefined) return undefined;
    const owner = {
      admit: (entry: StreamEntry) => this.deliver(entry),
      refuse: (entry: StreamEntry, code: number) => {
        this.turnAway(entry, code);
        told.onStreamRefused();
      },
    };
    return new StreamGate(owner, {
      authorize,
      facts: () => ({ clientIdentity: this.clientIdentity, sessionId: this.id, role: this.role }),
      maxPending: Math.max(1, maxPendingAuthorizations),
      turns: streamTurns,
      onFault: (why) => told.onFault("authorizeStream", why),
    });
  }

  /** For the listener, which brings paths. */
  get protocol(): Session {
    return this.proto;
  }

  /** Takes its paths in. */
  get acceptance(): PathAcceptance {
    return this.#server.acceptance;
  }

  get pump(): SessionDriver {
    return this.driver;
  }

  /** Tells the client that this server leaves. */
  goAway(reason: string, graceMs: number, replacements: readonly string[]): void {
    this.proto.goAway(this.runtime.now(), reason, graceMs, replacements);
    this.driver.pump();
  }

  /** Ends a session whose client is away. */
  giveUp(reason: string): void {
    this.proto.giveUp(this.runtime.now(), reason);
    this.driver.pump();
  }

  /** For how long no stream was open and no datagram came or went, in milliseconds, as far as it was asked for before. */
  idleMs(now: number): number {
    const { streams } = this.proto.state;
    const { receivedStreamBytes, sentDataBytes, nextDatagram, receivedDatagrams, incoming, outgoing } =
      this.proto.state.peerOf(CLIENT_MEMBER);
    const opened =
      incoming.bidirectional.opened + incoming.unidirectional.opened + outgoing.bidirectional.opened + outgoing.unidirectional.opened;
    const words = receivedStreamBytes + sentDataBytes + nextDatagram + receivedDatagrams.highest + opened;
    if (streams.size > 0 || words !== this.#words) this.#activeAt = now;
    this.#words = words;
    return now - this.#activeAt;
  }

  /** Who the client is: by its certificate, and by what `authenticate` or a ticket calls it. */
  get identities(): readonly string[] {
    const { clientIdentity, certificateIdentities } = this.#options;
    return clientIdentity === undefined ? certificateIdentities : [clientIdentity, ...certificateIdentities];
  }

  /** Its client is not believed any more. */
  closeRevoked(reason: string): void {
    this.proto.close(this.runtime.now(), ErrorCode.AUTH_REFUSED, reason, false);
    this.driver.pump();
  }

  /** Nobody has used it for too long. */
  closeIdle(reason: string): void {
    this.proto.close(this.runtime.now(), ErrorCode.TIMEOUT, reason, false);
    this.driver.pump();
  }

  get role(): "primary" | "secondary" {
    const { primary, config } = this.proto.state;
    return primary === config.member ? "primary" : "secondary";
  }

  async addPath(address: string, options: { signal?: AbortSignal; identity?: string; priority?: number } = {}): Promise<PathInfo> {
    const text = formatAddress(parseAddress(address));
    if (this.#options.authority === undefined) {
      throw new PathError(
        "NOT_SUPPORTED",
        "this server has no cluster to sign join tickets; give `cluster` to listen (kwik cluster init)",
        text,
      );
    }
    this.#assertOpen();
    const priority = checkPriority(options.priority ?? Priority.NORMAL);
    if (options.signal?.aborted === true) throw new KwikError("ABORTED", "addPath was aborted", { cause: options.signal.reason });
    const requestId = this.#server.paths.request(text, options.identity ?? "", priority);
    this.driver.schedule();
    const pathId = await this.#requests.wait(requestId, text, options.signal);
    return this.allPaths().find((path) => path.id === pathId) as PathInfo;
  }

  async removePath(pathId: number, options: { graceMs?: number } = {}): Promise<void> {
    this.#assertOpen();
    const requestId = this.#server.paths.remove(pathId, wholeMs(options.graceMs ?? 1_000));
    this.driver.schedule();
    await this.#requests.wait(requestId, `path ${pathId}`, undefined);
  }

  activePaths(): PathInfo[] {
    return this.allPaths().filter((path) => path.state === "active" || path.state === "degraded");
  }

  deadPaths(): PathInfo[] {
    return this.allPaths().filter((path) => path.state === "dead");
  }

  allPaths(): PathInfo[] {
    const now = this.runtime.now();
    const own = [...this.proto.state.paths.all()].map((path) => this.pathRow(path, now));
    return [...own, ...this.#server.paths.remotePaths().map(remotePath)].sort((a, b) => a.id - b.id);
  }

  async sendRaw(data: Uint8Array, pathId: number, options: WaitOptions = {}): Promise<Uint8Array> {
    this.#assertOpen();
    const problem = byteProblem(data, "sendRaw");
    if (problem !== undefined) throw problem;
    const { maxRawBytes, maxRawOutstanding } = this.proto.state.limits;
    if (data.length > maxRawBytes)
      throw new KwikError("TOO_LARGE", `a raw message has at most ${maxRawBytes} bytes, not ${data.length} (limits.maxRawBytes)`);
    if (this.#server.raw.waitingCount >= maxRawOutstanding) {
      throw new KwikError("LIMIT_REACHED", `${maxRawOutstanding} raw messages wait for replies already (limits.maxRawOutstanding)`);
    }
    const requestId = this.#server.raw.send(new Uint8Array(data), pathId);
    this.driver.schedule();
    // An aborted wait gives its place among the outstanding ones back.
    return this.#raws.wait(requestId, `path ${pathId}`, options.signal, () => this.#server.raw.forget(requestId));
  }

  onRaw(handler: RawHandler): void {
    this.#rawHandler = handler;
  }

  contribute(target: { streamId: bigint; offset: bigint }): Contribution {
    this.#assertOpen();
    if (target.offset < 0n || target.offset > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new KwikError("INVALID_ARGUMENT", `the offset ${target.offset} is outside a stream`);
    }
    if (target.streamId < 0n || target.streamId > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new KwikError("INVALID_ARGUMENT", `${target.streamId} is not the id of a stream`);
    }
    const sender = this.#server.contributions.open(Number(target.streamId), Number(target.offset));
    if ("code" in sender) throw new KwikError(errorName(sender.code), sender.reason);
    const entry = this.proto.state.streams.get(Number(target.streamId));
    const own = (entry?.owner as { send?: SendHalf } | undefined)?.send;
    if (own !== undefined && entry?.sender === sender) return new HomeContribution(own);
    const contribution = new OpenContribution(sender, this.driver, this.sendBudget, () => this.#contributions.delete(sender));
    this.#contributions.set(sender, contribution);
    this.driver.schedule();
    return contribution;
  }

  protected override memberFor(): MemberId {
    return CLIENT_MEMBER;
  }

  protected override get contentOfferer(): ContentOfferer {
    return (entry, send, source, options) => this.#offers.offer(entry, send, source, options);
  }

  protected override pathOf(id: number): PathInfo | undefined {
    return this.allPaths().find((path) => path.id === id);
  }

  protected override onContributionsChanged(): void {
    const { contributions } = this.#server;
    for (let sender = contributions.pollChanged(); sender !== undefined; sender = contributions.pollChanged()) {
      this.#contributions.get(sender)?.update();
    }
  }

  protected override onRoleEvent(event: SessionEvent): void {
    switch (event.type) {
      case "path-request-done":
        this.#requests.settle(event.requestId, event.code, event.reason, event.pathId);
        return;
      case "raw-reply":
        this.#raws.settle(event.requestId, event.code, event.reason, event.data);
        return;
      case "raw-request":
        void this.#answerRaw(event.requestId, event.fromPathId, event.data);
        return;
      case "ticket-wanted":
        void this.#minting.answer(event);
        return;
      case "content-read":
        this.#reads.handle(event);
        return;
      case "content-done":
        this.#offers.done(event.offerId, event.code, event.reason, event.stopCode);
        return;
      case "remote-path":
        this.#publishRemote(remotePath(event.status));
        return;
      case "suspended":
      case "resumed":
        this.#options.onSuspended(event.type === "suspended");
        return;
      case "primary-changed":
        this.#publishPrimary(event.member, event.reason);
        return;
      default:
    }
  }

  protected override onIncoming(entry: StreamEntry): void {
    if (this.#gate === undefined) this.deliver(entry);
    else this.#gate.submit(entry);
  }

  protected override onEnded(): void {
    this.#gate?.close();
    const error = this.endError as SessionClosedError;
    this.#requests.end(error);
    this.#raws.end(error);
    for (const contribution of [...this.#contributions.values()]) contribution.end(error);
    this.#offers.end(error);
    this.#reads.close();
    this.#options.onEnded(error);
  }

  get #server() {
    const { server } = this.proto;
    if (server === undefined) throw new Error("not a server's session");
    return server;
  }

  #assertOpen(): void {
    if (this.endError !== undefined) throw this.endError;
  }

  #publishRemote(path: PathInfo): void {
    // Of its own paths this side knows more than the client tells.
    if (this.proto.state.paths.byId(path.id) !== undefined) return;
    // A path is reported as connecting once, when it is new.
    const types = {
      connecting: "path-added",
      active: "path-active",
      degraded: "path-degraded",
      dead: "path-dead",
      closed: "path-closed",
    } as const;
    const type = path.state in types ? types[path.state as keyof typeof types] : undefined;
    if (type !== undefined) this.publish({ type, path, reason: path.reason });
  }

  #publishPrimary(member: MemberId, reason: string): void {
    const isHere = member === this.proto.state.config.member;
    const remote = this.#server.paths.remotePaths().findLast((status) => status.memberId === member);
    const path = isHere ? this.activePaths().find((one) => one.local) : remote && remotePath(remote);
    this.publish({ type: "primary-changed", path, isHere, reason });
  }

  async #answerRaw(requestId: number, fromPathId: number, data: Uint8Array): Promise<void> {
    let code: ErrorCode = ErrorCode.NO_ERROR;
    let reply: Uint8Array = new Uint8Array(0);
    try {
      if (this.#rawHandler === undefined) code = ErrorCode.NOT_SUPPORTED;
      // A copy, so that the handler's own bytes stay its own.
      else reply = Uint8Array.prototype.slice.call(await this.#rawHandler({ data, fromPathId }));
      if (reply.length > this.proto.state.limits.maxRawBytes) {
        code = ErrorCode.TOO_LARGE;
        reply = new Uint8Array(0);
      }
    } catch (error) {
      code = ErrorCode.INTERNAL_ERROR;
      this.#options.onFault("onRaw", KwikError.from(error).message);
    }
    this.#server.raw.reply(requestId, code, reply);
    this.driver.schedule();
  }
}

/** A time that a control message can carry: whole milliseconds, at most seven weeks. */
function wholeMs(ms: number): number {
  if (Number.isNaN(ms) || ms < 0) throw new KwikError("INVALID_ARGUMENT", `a time in milliseconds is not negative, and not ${ms}`);
  return Math.min(Math.ceil(ms), 0xffff_ffff);
}
