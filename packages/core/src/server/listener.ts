import {
  DEFAULT_LIMITS,
  ErrorCode,
  errorName,
  MAX_MEMBERS,
  PRIMARY_MEMBER,
  SeededRng,
  Session,
  schedulerFactory,
  type Limits,
  type Opening,
  type SchedulerFactory,
} from "@kwik/proto";
import { checkListenOptions } from "../api/check-options.ts";
import type { CloseOptions, Listener, ServerSession, WaitOptions } from "../api/contract.ts";
import { isKwikError, KwikError } from "../api/errors.ts";
import type { JoinAuthority } from "../api/join-authority.ts";
import type { AuthResult, ListenOptions, WebOptions } from "../api/options.ts";
import type { ListenerStats } from "../api/stats.ts";
import type { Runtime } from "../driver/runtime.ts";
import { AsyncQueue } from "../session/async-queue.ts";
import { joinTranscript } from "../session-key/join-transcript.ts";
import { isSessionPublicKey, verifySignature } from "../session-key/session-key.ts";
import { formatAddress, parseAddress, type TransportName } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import type { Transport, TransportListener } from "../transport/transport.ts";
import { Draining } from "./draining.ts";
import { LinkAdmission } from "./link-admission.ts";
import { replacementText } from "./replacement-text.ts";
import { ServerSessionOverPaths } from "./server-session.ts";
import { SuspendedSessions } from "./suspended-sessions.ts";

/** What the runtime's facade gives to `listen`. */
export interface ListenEnvironment {
  readonly transport: Transport;
  readonly runtime: Runtime;
  readonly agent: string;
  readonly tls: { readonly cert: string; readonly key: string };
  /** "sha256:…" of the certificate's key. */
  readonly identity: string;
  readonly authority: JoinAuthority | undefined;
  readonly checksum?: (data: Uint8Array, seed: number) => number;
  /** Problems that belong to no session, for logs. */
  readonly onNotice?: (message: string) => void;
}

/** Begins to serve. Rejects with KwikError IO if the address cannot be bound. */
export async function listenWith(environment: ListenEnvironment, address: string, options: ListenOptions): Promise<Listener> {
  checkListenOptions(options);
  const listener = new SessionListener(environment, options);
  await listener.start(address);
  return listener;
}

/** Sessions that finished and may still be joined again are kept by their own grace; this bounds live ones. */
const MAX_WAITING_SESSIONS = 1024;

/** Connections that have not been admitted or refused, at most: each may hold `maxBytesBeforeAuth`. */
const MAX_ADMISSIONS = 1024;

class SessionListener implements Listener {
  readonly identity: string;
  readonly certificate: string;
  readonly #environment: ListenEnvironment;
  readonly #options: ListenOptions;
  readonly #limits: Limits;
  readonly #scheduler: SchedulerFactory;
  readonly #sessions = new Map<string, ServerSessionOverPaths>();
  readonly #suspended: SuspendedSessions;
  readonly #waiting = new AsyncQueue<ServerSession>();
  readonly #admissions = new Set<LinkAdmission>();
  #transportListener: TransportListener | undefined;
  /** The only one, if the address names it. */
  #transportName: TransportName | undefined;
  #accepted = 0;
  #refused = 0;
  #past = { bytesSent: 0, bytesReceived: 0 };
  readonly #draining: Draining;
  #closing: Promise<void> | undefined;

  constructor(environment: ListenEnvironment, options: ListenOptions) {
    this.identity = environment.identity;
    this.certificate = environment.tls.cert;
    this.#environment = environment;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#scheduler = schedulerFactory(options.scheduler);
    this.#draining = new Draining(environment.runtime);
    this.#suspended = new SuspendedSessions(this.#limits.maxSuspendedSessions);
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
      onLink: (link) => this.#admit(link),
      ...(onNotice === undefined ? {} : { onNotice }),
    });
  }

  get address(): string {
    return this.#transportListener?.address ?? "";
  }

  get url(): string {
    const address = { ...parseAddress(this.address), transport: this.#transportName };
    return this.#transportName === undefined ? `kwik://${this.address}` : formatAddress(address);
  }

  accept(options: WaitOptions = {}): Promise<ServerSession> {
    return this.#waiting.next(options.signal);
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
    let { bytesSent, bytesReceived } = this.#past;
    for (const session of this.#sessions.values()) {
      const stats = session.stats();
      bytesSent += stats.bytesSent;
      bytesReceived += stats.bytesReceived;
    }
    return {
      sessions: this.#sessions.size,
      suspendedSessions: this.#suspended.count,
      resumedSessions: this.#suspended.resumed,
      expiredSessions: this.#suspended.expired,
      acceptedSessions: this.#accepted,
      refusedSessions: this.#refused,
      bytesSent,
      bytesReceived,
    };
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
    this.#waiting.end(new KwikError("CLOSED", "the listener was closed"));
    await this.#draining.run([...this.#sessions.values()], graceMs, replacements);
    await Promise.all([...this.#sessions.values()].map((session) => session.closeWithGoingAway()));
    for (const admission of this.#admissions) admission.refuse(ErrorCode.GOING_AWAY, "the server is shutting down");
    await new Promise<void>((resolve) => runtime.setTimer(resolve, CLOSE_LINGER_MS));
    await this.#transportListener?.close();
  }

  #admit(link: Link): void {
    const { runtime, checksum } = this.#environment;
    const admission = new LinkAdmission(
      link,
      this.#limits,
      runtime,
      checksum,
      (which, opening) => {
        this.#decide(which, opening).catch((error: unknown) => {
          const problem = KwikError.from(error, "INTERNAL_ERROR");
          which.refuse(
            problem.code in ErrorCode ? ErrorCode[problem.code as keyof typeof ErrorCode] : ErrorCode.INTERNAL_ERROR,
            problem.message,
          );
        });
      },
      (reason) => {
        this.#refused += 1;
        this.#environment.onNotice?.(`refused ${link.properties.remoteAddress}: ${reason}`);
      },
      () => this.#admissions.delete(admission),
    );
    this.#admissions.add(admission);
    if (this.#admissions.size > MAX_ADMISSIONS) admission.refuse(ErrorCode.LIMIT_REACHED, "too many connections are being admitted");
    link.attach(admission);
  }

  async #decide(admission: LinkAdmission, opening: Opening): Promise<void> {
    // Those who come back are let in until the time of their session is over.
    if (this.#draining.isOver) throw leaving();
    if (!isSessionPublicKey(opening.message.clientKey))
      throw new KwikError("PROTOCOL_VIOLATION", "the client's session key is not a P-256 public key");
    if (opening.kind === "hello") {
      this.#assertTaking();
      const identity = await this.#authenticate(admission, opening, false);
      this.#begin(admission, opening, this.#environment.runtime.randomBytes(16), 1, identity, true);
      return;
    }
    const { message } = opening;
    const sessionId = hexOf(message.sessionId);
    const isForHere = await this.#checkProof(opening.message, sessionId);
    if (message.memberId < PRIMARY_MEMBER || message.memberId >= MAX_MEMBERS)
      throw new KwikError("PROTOCOL_VIOLATION", `no server of a session has the number ${message.memberId}`);
    if (this.#rejoin(admission, opening, sessionId, isForHere)) return;
    // spec: DRAIN-1
    this.#assertTaking();
    if (message.memberId === PRIMARY_MEMBER || message.resume)
      throw new KwikError("NO_SESSION", "this server does not know the session (any more)");
    let clientIdentity: string | undefined;
    if (message.ticket === "") clientIdentity = await this.#authenticate(admission, opening, true);
    else {
      const { authority } = this.#environment;
      if (authority === undefined) throw new KwikError("TICKET_REFUSED", "this server belongs to no cluster and takes no tickets");
      const { pathId, memberId, clientKey } = message;
      await authority.verify(message.ticket, { sessionId, pathId, memberId, clientKey });
    }
    // Another path of the same client may have begun the session in the meantime.
    if (this.#rejoin(admission, opening, sessionId, isForHere)) return;
    this.#begin(admission, opening, message.sessionId, message.memberId, clientIdentity, message.ticket !== "");
  }

  /** A further path of a session that is here; false if it is not. */
  #rejoin(admission: LinkAdmission, opening: Extract<Opening, { kind: "join" }>, sessionId: string, isForHere: boolean): boolean {
    const { message } = opening;
    const known = this.#sessions.get(sessionId);
    if (known === undefined) return false;
    // Who holds the session's key may come back, or bring a further path. spec: PATH-10
    if (!isSame(known.protocol.state.config.clientKey, message.clientKey))
      throw new KwikError("TICKET_REFUSED", "another key than the session's");
    const { member } = known.protocol.state.config;
    if (message.memberId !== member) {
      if (message.resume || message.memberId < member) throw new KwikError("PROTOCOL_VIOLATION", "another member number than before");
      // Another server that was sent what is signed for nobody could show it here: it must not end what is in use. spec: RESUME-7
      if (!isForHere && !known.protocol.lifecycle.isSuspended)
        throw new KwikError("PROTOCOL_VIOLATION", "a join that is signed for no server does not end a session that has a path");
      // It has given up what is still kept here.
      known.giveUp("the client has begun anew");
      return false;
    }
    this.#attach(known, admission, opening, false);
    return true;
  }

  /** Whether the join is signed for this server, and not for whoever gets it. Throws if it is signed for neither. */
  async #checkProof(message: Extract<Opening, { kind: "join" }>["message"], sessionId: string): Promise<boolean> {
    for (const identity of [this.identity, ""]) {
      // A client that could not learn whom it dials may sign for nobody, but then a ticket is worth nothing to it.
      if (identity === "" && message.ticket !== "") continue;
      const statement = joinTranscript({
        sessionId,
        pathId: message.pathId,
        memberId: message.memberId,
        identity,
        nonce: message.nonce,
        issuedAtMs: Number(message.issuedAtMs),
        ticket: message.ticket,
      });
      if (await verifySignature(message.clientKey, statement, message.proof)) return identity !== "";
    }
    throw new KwikError("TICKET_REFUSED", "the join is not signed with the session's key for this server");
  }

  async #authenticate(admission: LinkAdmission, opening: Opening, joining: boolean): Promise<string | undefined> {
    const { clientIdentity, remoteAddress } = admission.link.properties;
    if (this.#options.authenticate === undefined) return clientIdentity;
    const token = opening.message.token === "" ? undefined : opening.message.token;
    let result: AuthResult;
    try {
      result = await this.#options.authenticate({ token, clientIdentity, remoteAddress, joining });
    } catch (error) {
      this.#environment.onNotice?.(`authenticate failed: ${KwikError.from(error).message}`);
      throw new KwikError("AUTH_REFUSED", "the server could not check the credentials");
    }
    if (!result.ok) throw new KwikError("AUTH_REFUSED", result.reason ?? "");
    return result.identity ?? clientIdentity;
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
    if (this.#waiting.length >= MAX_WAITING_SESSIONS)
      throw new KwikError("LIMIT_REACHED", "too many sessions wait to be accepted by the application");
    const { runtime, agent, identity, checksum, authority } = this.#environment;
    const config = {
      role: "server" as const,
      member,
      limits: this.#limits,
      rng: new SeededRng(new DataView(runtime.randomBytes(4).buffer).getUint32(0)),
      scheduler: this.#scheduler,
      agent,
      clientKey: new Uint8Array(opening.message.clientKey),
      identity,
      checksum,
    };
    const id = hexOf(sessionId);
    const session = new ServerSessionOverPaths(new Session(config, runtime.now(), new Uint8Array(sessionId)), runtime, {
      clientIdentity,
      content: this.#options.content,
      authority,
      onSuspended: (isSuspended) => (isSuspended ? this.#suspended.suspended(session) : this.#suspended.hasPath(session)),
      onEnded: (isExpired) => {
        this.#suspended.ended(session, isExpired);
        this.#forget(id);
      },
    });
    this.#sessions.set(id, session);
    try {
      this.#attach(session, admission, opening, isVouched);
    } catch (error) {
      // Nobody has seen it yet.
      this.#sessions.delete(id);
      throw error;
    }
    this.#accepted += 1;
    this.#waiting.push(session);
  }

  #attach(session: ServerSessionOverPaths, admission: LinkAdmission, opening: Opening, isVouched: boolean): void {
    if (admission.isOver) return;
    const { link } = admission;
    const pathId = opening.kind === "hello" ? 0 : opening.message.pathId;
    const refused = session.protocol.opening.refusalOf(opening);
    if (refused !== undefined) throw new KwikError(errorName(refused.code), refused.reason);
    this.#admissions.delete(admission);
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

  /** Whether new sessions and members are let in. */
  #assertTaking(): void {
    if (this.#closing !== undefined) throw leaving();
  }

  #forget(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    const stats = session.stats();
    this.#past.bytesSent += stats.bytesSent;
    this.#past.bytesReceived += stats.bytesReceived;
  }
}

/** Longest grace of `close`: what timers of the host can measure, about 25 days. */
const MAX_GRACE_MS = 0x7fff_ffff;

/** Time for last acknowledgements to leave before the socket closes. */
const CLOSE_LINGER_MS = 50;

function leaving(): KwikError {
  return new KwikError("GOING_AWAY", "the server is shutting down");
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
