import { DEFAULT_LIMITS, ErrorCode, MAX_MEMBERS, PRIMARY_MEMBER, REDIRECT_FEATURE, type Opening } from "@kwik/proto";
import { checkListenOptions } from "../api/check-listen-options.ts";
import type { CloseOptions, Listener, ServerSession, WaitOptions } from "../api/contract.ts";
import { isKwikError, KwikError } from "../api/errors.ts";
import { DEFAULT_LISTENER_LIMITS, type ListenLimits } from "../api/listener-limits.ts";
import type { ClusterOptions, ListenOptions, WebOptions } from "../api/options.ts";
import type { ListenerStats } from "../api/stats.ts";
import { AddressRange } from "../policy/address-range.ts";
import { AsyncQueue } from "../session/async-queue.ts";
import { isSessionPublicKey } from "../session-key/session-key.ts";
import { formatAddress, parseAddress, type TransportName } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import type { TransportListener } from "../transport/transport.ts";
import { ClientCheck } from "./client-check.ts";
import { ConnectionGate } from "./connection-gate.ts";
import { Draining } from "./draining.ts";
import { FairTurns } from "./fair-turns.ts";
import { type AdmissionOwner, LinkAdmission } from "./link-admission.ts";
import type { ListenEnvironment } from "./listen-environment.ts";
import { limitReached, redirectedTo, type Refusal, RefusedError, refusalOf, refused } from "./refusal.ts";
import { RefusalLog } from "./refusal-log.ts";
import type { ServerSessionOverPaths } from "./server-session.ts";
import { replacementText } from "./replacement-text.ts";
import { SessionTable } from "./session-table.ts";
import { WaitingLinks } from "./waiting-links.ts";

/** Begins to serve. Rejects with KwikError IO if the address cannot be bound. */
export async function listenWith(environment: ListenEnvironment, address: string, options: ListenOptions): Promise<Listener> {
  checkListenOptions(options);
  const listener = new SessionListener(environment, options);
  await listener.start(address);
  return listener;
}

/** When an application that accepts no sessions may have caught up, in milliseconds. */
const WAITING_RETRY_MS = 1_000;

class SessionListener implements Listener, AdmissionOwner {
  readonly identity: string;
  readonly #environment: ListenEnvironment;
  readonly #options: ListenOptions;
  readonly #limits: ListenLimits;
  readonly #gate: ConnectionGate;
  readonly #check: ClientCheck;
  /** Calls of `authenticate`. */
  readonly #checkTurns: FairTurns;
  readonly #refusals: RefusalLog;
  readonly #sessions: SessionTable;
  readonly #queue = new AsyncQueue<ServerSession>();
  readonly #waiting: WaitingLinks;
  #certificate: string;
  #transportListener: TransportListener | undefined;
  /** The only one, if the address names it. */
  #transportName: TransportName | undefined;
  #accepted = 0;
  #redirected = 0;
  readonly #draining: Draining;
  /** Over when no certificate is being changed. */
  #updating: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(environment: ListenEnvironment, options: ListenOptions) {
    const { runtime, onNotice } = environment;
    const limits = { ...DEFAULT_LIMITS, ...DEFAULT_LISTENER_LIMITS, ...options.limits };
    const now = (): number => runtime.now();
    this.identity = environment.identity;
    this.#certificate = environment.tls.cert;
    this.#environment = environment;
    this.#options = options;
    this.#limits = limits;
    const proxies = (options.proxies ?? []).map((text) => AddressRange.parse(text));
    this.#gate = new ConnectionGate(limits, now, proxies);
    this.#checkTurns = new FairTurns(limits.maxPendingAuthentications, limits.handshakeTimeoutMs, runtime);
    this.#check = new ClientCheck(environment, options, this.#checkTurns);
    this.#refusals = new RefusalLog(now, onNotice);
    // Over all transports: each of them bounds those of its own before they get here.
    this.#waiting = new WaitingLinks(limits.maxHandshakes * 4, limits.maxBytesBeforeAuthInAll);
    this.#draining = new Draining(runtime);
    this.#sessions = new SessionTable(environment, options, limits);
  }

  async start(address: string): Promise<void> {
    const { transport, tls, onNotice } = this.#environment;
    const parsed = parseAddress(address);
    this.#transportName = parsed.transport;
    this.#transportListener = await transport.listen({
      address: parsed,
      tls,
      web: webOf(this.#options.web),
      validateAddresses: this.#options.validateAddresses,
      clientCa: this.#options.clientCa,
      proxies: this.#options.proxies,
      limits: this.#limits,
      onConnection: (remoteAddress) => this.#connection(remoteAddress),
      onRefused: (remoteAddress, reason) => this.#refusals.add(remoteAddress, reason, undefined),
      onLink: (link) => this.#admit(link),
      ...(onNotice === undefined ? {} : { onNotice }),
    });
    this.#sessions.endIdleLater();
  }

  get address(): string {
    return this.#transportListener?.address ?? "";
  }

  get certificate(): string {
    return this.#certificate;
  }

  get url(): string {
    const address = { ...parseAddress(this.address), transport: this.#transportName };
    return this.#transportName === undefined ? `kwik://${this.address}` : formatAddress(address);
  }

  accept(options: WaitOptions = {}): Promise<ServerSession> {
    return this.#queue.next(options.signal);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ServerSession> {
    for (;;) {
      let session: ServerSession;
      try {
        session = await this.accept();
      } catch (error) {
        if (isKwikError(error) && error.code === "CLOSED") return;
        throw error;
      }
      yield session;
    }
  }

  stats(): ListenerStats {
    return {
      ...this.#sessions.stats(),
      acceptedSessions: this.#accepted,
      refusedSessions: this.#refusals.total,
      refusals: this.#refusals.counts(),
      redirectedSessions: this.#redirected,
      waitingConnections: this.#waiting.size,
    };
  }

  async updateTls(tls: { readonly cert: string; readonly key: string }): Promise<void> {
    const { identityOf } = this.#environment;
    if (identityOf === undefined) throw new KwikError("NOT_SUPPORTED", "certificates cannot be changed here");
    const identity = identityOf(tls.cert);
    if (identity !== this.identity) {
      throw new KwikError(
        "INVALID_ARGUMENT",
        `the certificate is for the key ${identity}, and this listener has ${this.identity}; renew with the same key, or listen anew`,
      );
    }
    const transport = this.#transportListener;
    if (transport?.updateTls === undefined) throw new KwikError("NOT_SUPPORTED", "this transport cannot change its certificate");
    // One after the other: a socket is bound anew for each.
    const update = this.#updating.then(() => transport.updateTls?.(tls));
    this.#updating = update.catch(() => undefined);
    await update;
    this.#certificate = tls.cert;
  }

  async updateCluster(cluster: ClusterOptions): Promise<void> {
    const { authority } = this.#environment;
    if (authority === undefined) throw new KwikError("NOT_SUPPORTED", "this listener belongs to no cluster; give `cluster` to listen");
    await authority.update(cluster);
    this.#sessions.endRevoked((identity) => authority.isRevoked(identity));
  }

  close(options: CloseOptions = {}): Promise<void> {
    const graceMs = options.graceMs ?? 0;
    if (Number.isNaN(graceMs) || graceMs < 0) {
      return Promise.reject(new KwikError("INVALID_ARGUMENT", `a time in milliseconds is not negative, and not ${graceMs}`));
    }
    let replacements: readonly string[];
    try {
      replacements = (options.replacements ?? []).map(replacementText);
    } catch (error) {
      return Promise.reject(KwikError.from(error));
    }
    const waitMs = Math.min(Math.ceil(graceMs), MAX_GRACE_MS);
    if (this.#closing === undefined) this.#closing = this.#close(waitMs, replacements);
    else this.#draining.endIn(waitMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(graceMs: number, replacements: readonly string[]): Promise<void> {
    const { runtime } = this.#environment;
    this.#sessions.stopIdle();
    this.#queue.end(new KwikError("CLOSED", "the listener was closed"));
    await this.#draining.run(this.#sessions.all(), graceMs, replacements);
    await Promise.all(this.#sessions.all().map((session) => session.closeWithGoingAway()));
    for (const admission of [...this.#waiting]) admission.refuse(refusalOf(shuttingDown()));
    await new Promise<void>((resolve) => runtime.setTimer(resolve, CLOSE_LINGER_MS));
    await this.#transportListener?.close();
    this.#checkTurns.stop();
    this.#sessions.stop();
  }

  onOpening(admission: LinkAdmission, opening: Opening): void {
    this.#decide(admission, opening).catch((error: unknown) => admission.refuse(refusalOf(error)));
  }

  onHeld(admission: LinkAdmission, bytes: number): void {
    this.#waiting.held(admission, bytes);
  }

  onRefused(admission: LinkAdmission, { text, reason }: Refusal): void {
    this.#waiting.delete(admission);
    if (reason === "redirected") this.#redirected += 1;
    else this.#refusals.add(admission.link.properties.remoteAddress, reason, text);
  }

  onGone(admission: LinkAdmission): void {
    this.#waiting.delete(admission);
  }

  #connection(remoteAddress: string): Refusal | undefined {
    const refusal = this.#draining.isOver ? refusalOf(shuttingDown()) : this.#gate.handshake(remoteAddress);
    if (refusal !== undefined) this.#refusals.add(remoteAddress, refusal.reason, refusal.text);
    return refusal;
  }

  #admit(link: Link): void {
    const { runtime, checksum } = this.#environment;
    const admission = new LinkAdmission(link, this.#limits, runtime, checksum, this);
    link.attach(admission);
    this.#waiting.add(admission);
  }

  async #decide(admission: LinkAdmission, opening: Opening): Promise<void> {
    const { link } = admission;
    const { remoteAddress } = link.properties;
    // Those who come back are let in until the time of their session is over. spec: DRAIN-1
    if (this.#draining.isOver) throw shuttingDown();
    if (!isSessionPublicKey(opening.message.clientKey))
      throw refused(ErrorCode.PROTOCOL_VIOLATION, "the client's session key is not a P-256 public key", "protocol");
    if (opening.kind === "hello") {
      this.#assertTaking();
      await this.#asStranger(admission, async () => {
        this.#throwIfLimited(this.#redirect(link, opening.message.features));
        const identity = await this.#check.credentials(admission, opening, this.#gate.networkOf(remoteAddress));
        this.#begin(admission, opening, this.#environment.runtime.randomBytes(16), 1, identity, true);
      });
      return;
    }
    const { message } = opening;
    const sessionId = hexOf(message.sessionId);
    const isMember = this.#sessions.get(sessionId) !== undefined;
    if (isMember) await this.#asMember(remoteAddress, () => this.#join(admission, opening, sessionId));
    else await this.#asStranger(admission, () => this.#join(admission, opening, sessionId));
  }

  /** Checks what somebody shows of whom nothing is known, within what his network may have wrong. */
  async #asStranger(admission: LinkAdmission, check: () => Promise<void>): Promise<void> {
    const { remoteAddress } = admission.link.properties;
    this.#throwIfLimited(this.#gate.path(remoteAddress) ?? (await this.#gate.check(remoteAddress, admission)));
    let isFoundWrong = false;
    try {
      if (!admission.isOver) await check();
    } catch (error) {
      isFoundWrong = isWrong(refusalOf(error));
      throw error;
    } finally {
      this.#gate.checked(remoteAddress, isFoundWrong);
    }
  }

  /** The paths of a session that is here are not those of a crowd: who holds its key is let in, however busy his network is. */
  async #asMember(remoteAddress: string, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (isWrong(refusalOf(error))) this.#gate.checkFailed(remoteAddress);
      throw error;
    }
  }

  async #join(admission: LinkAdmission, opening: Extract<Opening, { kind: "join" }>, sessionId: string): Promise<void> {
    const { link } = admission;
    const { remoteAddress } = link.properties;
    const { message } = opening;
    const isForHere = await this.#check.proof(message, sessionId);
    if (message.memberId < PRIMARY_MEMBER || message.memberId >= MAX_MEMBERS)
      throw refused(ErrorCode.PROTOCOL_VIOLATION, `no server of a session has the number ${message.memberId}`, "path");
    if (this.#rejoin(admission, opening, sessionId, isForHere)) return;
    this.#assertTaking();
    if (message.memberId === PRIMARY_MEMBER || message.resume)
      throw refused(ErrorCode.NO_SESSION, "this server does not know the session (any more)", "no-session");
    const isTicketed = message.ticket !== "";
    const identity = isTicketed
      ? await this.#check.ticket(link, message, sessionId)
      : await this.#check.credentials(admission, opening, this.#gate.networkOf(remoteAddress));
    // Another path of the same client may have begun the session in the meantime.
    if (this.#rejoin(admission, opening, sessionId, isForHere)) return;
    this.#begin(admission, opening, message.sessionId, message.memberId, identity, isTicketed);
  }

  /** Where the client is to begin its session instead. spec: CTRL-20 */
  #redirect({ properties }: Link, features: readonly string[]): Refusal | undefined {
    const redirect = this.#options.redirect?.bind(this.#options);
    if (redirect === undefined || !features.includes(REDIRECT_FEATURE)) return undefined;
    const { remoteAddress, transport } = properties;
    let port: unknown;
    try {
      port = redirect({ remoteAddress, transport });
    } catch (error) {
      this.#environment.onNotice?.(`redirect failed: ${KwikError.from(error).message}`);
      return undefined;
    }
    if (port === undefined) return undefined;
    if (typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535) return redirectedTo(port);
    this.#environment.onNotice?.("redirect gave what is no port, so the session was taken here");
    return undefined;
  }

  #throwIfLimited(refusal: Refusal | undefined): void {
    if (refusal !== undefined) throw new RefusedError(refusal);
  }

  /** A further path of a session that is here; false if it is not. */
  #rejoin(admission: LinkAdmission, opening: Extract<Opening, { kind: "join" }>, sessionId: string, isForHere: boolean): boolean {
    const { message } = opening;
    const known = this.#sessions.get(sessionId);
    if (known === undefined) return false;
    this.#check.refuseRevoked(admission.link);
    // Who holds the session's key may come back, or bring a further path. spec: PATH-10
    if (!isSame(known.protocol.state.config.clientKey, message.clientKey))
      throw refused(ErrorCode.TICKET_REFUSED, "another key than the session's", "proof");
    const { member } = known.protocol.state.config;
    if (message.memberId !== member) {
      if (message.resume || message.memberId < member)
        throw refused(ErrorCode.PROTOCOL_VIOLATION, "another member number than before", "path");
      // Another server that was sent what is signed for nobody could show it here: it must not end what is in use. spec: RESUME-7
      if (!isForHere && !known.protocol.lifecycle.isSuspended)
        throw refused(ErrorCode.PROTOCOL_VIOLATION, "a join that is signed for no server does not end a session that has a path", "proof");
      // It has given up what is still kept here.
      known.giveUp("the client has begun anew");
      return false;
    }
    this.#attach(known, admission, opening, false);
    return true;
  }

  #begin(
    admission: LinkAdmission,
    opening: Opening,
    sessionId: Uint8Array,
    member: number,
    clientIdentity: string | undefined,
    isVouched: boolean,
  ): void {
    if (admission.isOver) return;
    this.#assertTaking();
    // It may have been revoked while `authenticate` was asked.
    this.#check.refuseRevoked(admission.link);
    if (this.#queue.length >= this.#limits.maxWaitingSessions)
      throw new RefusedError(limitReached("waiting", "too many sessions wait to be accepted by the application", WAITING_RETRY_MS));
    const { remoteAddress, clientIdentity: certificateIdentity } = admission.link.properties;
    this.#throwIfLimited(this.#gate.session(remoteAddress));
    const id = hexOf(sessionId);
    const onEnded = (): void => this.#gate.sessionEnded(remoteAddress);
    const network = this.#gate.networkOf(remoteAddress);
    const session = this.#sessions.begin(id, { sessionId, member, clientIdentity, certificateIdentity, network, opening, onEnded });
    try {
      this.#attach(session, admission, opening, isVouched);
    } catch (error) {
      this.#sessions.discard(id);
      this.#gate.sessionEnded(remoteAddress);
      throw error;
    }
    this.#accepted += 1;
    this.#queue.push(session);
  }

  #attach(session: ServerSessionOverPaths, admission: LinkAdmission, opening: Opening, isVouched: boolean): void {
    if (admission.isOver) return;
    const { link } = admission;
    const pathId = opening.kind === "hello" ? 0 : opening.message.pathId;
    const problem = session.protocol.opening.refusalOf(opening);
    if (problem !== undefined) throw refused(problem.code, problem.reason, "path");
    this.#waiting.delete(admission);
    const binding = session.pump.adopt(pathId, link, admission.carriers());
    admission.handOver(binding);
    const info = {
      address: link.properties.remoteAddress,
      transport: link.properties.transport,
      identity: undefined,
      isEncrypted: link.capabilities.encrypted,
    };
    const path = session.protocol.opening.acceptPath(this.#environment.runtime.now(), admission.acceptor, opening, info, isVouched);
    if ("reason" in path && "code" in path) throw new Error(`a path was refused after it had been allowed: ${path.reason}`);
    session.pump.pump();
  }

  /** Whether new sessions and members are let in. spec: DRAIN-1 */
  #assertTaking(): void {
    if (this.#closing !== undefined) throw shuttingDown();
  }
}

/** Longest grace of `close`: what timers of the host can measure, about 25 days. */
const MAX_GRACE_MS = 0x7fff_ffff;

/** Time for last acknowledgements to leave before the socket closes. */
const CLOSE_LINGER_MS = 50;

function shuttingDown(): RefusedError {
  return refused(ErrorCode.GOING_AWAY, "the server is shutting down", "shutting-down");
}

/** Whether what a client showed was wrong, rather than too much, too late or misunderstood. */
function isWrong({ reason }: Refusal): boolean {
  return reason === "proof" || reason === "credentials" || reason === "revoked" || reason.startsWith("ticket-");
}

function webOf(web: ListenOptions["web"]): WebOptions | undefined {
  if (web === undefined || web === false) return undefined;
  return web === true ? {} : web;
}

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
