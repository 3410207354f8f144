import { ErrorCode, MAX_MEMBERS, PRIMARY_MEMBER, REDIRECT_FEATURE, type Opening } from "@kwik/proto";
import type { ServerSession } from "../api/contract.ts";
import { KwikError } from "../api/errors.ts";
import type { ListenLimits } from "../api/listener-limits.ts";
import type { ListenOptions } from "../api/options.ts";
import type { AsyncQueue } from "../session/async-queue.ts";
import { sessionIdText } from "../session/session-id.ts";
import { isSessionPublicKey } from "../session-key/session-key.ts";
import type { Link } from "../transport/link.ts";
import type { TicketHolder } from "../api/join-authority.ts";
import { ClientCheck } from "./client-check.ts";
import type { ConnectionGate } from "./connection-gate.ts";
import type { Draining } from "./draining.ts";
import { FairTurns } from "./fair-turns.ts";
import type { LinkAdmission } from "./link-admission.ts";
import type { ListenEnvironment } from "./listen-environment.ts";
import { limitReached, redirectedTo, type Refusal, RefusedError, refusalOf, refused, shuttingDown } from "./refusal.ts";
import type { ServerSessionOverPaths } from "./server-session.ts";
import type { SessionTable } from "./session-table.ts";
import type { WaitingLinks } from "./waiting-links.ts";

/** When an application that accepts no sessions may have caught up, in milliseconds. */
const WAITING_RETRY_MS = 1_000;

/** What of its listener it decides by. */
export interface SessionAdmissionParts {
  readonly gate: ConnectionGate;
  readonly sessions: SessionTable;
  readonly waiting: WaitingLinks;
  /** Sessions that the application has not accepted yet. */
  readonly queue: AsyncQueue<ServerSession>;
  readonly draining: Draining;
  /** The listener lets nobody new in. */
  readonly isClosing: () => boolean;
}

/** Checks a client. Tells `onAsked` of a call of the application, which may outlive the client; it resolves with whether it found something wrong. */
type Check = (onAsked: (answered: Promise<boolean>) => void) => Promise<void>;

/** Decides about the hello or join of each link: makes it a path of a session, a new one or one that is here, or refuses it. */
export class SessionAdmission {
  /** Sessions that were begun. */
  accepted = 0;
  readonly #environment: ListenEnvironment;
  readonly #options: ListenOptions;
  readonly #limits: ListenLimits;
  readonly #parts: SessionAdmissionParts;
  /** Calls of `authenticate`. */
  readonly #turns: FairTurns;
  readonly #check: ClientCheck;

  constructor(environment: ListenEnvironment, options: ListenOptions, limits: ListenLimits, parts: SessionAdmissionParts) {
    this.#environment = environment;
    this.#options = options;
    this.#limits = limits;
    this.#parts = parts;
    this.#turns = new FairTurns(limits.maxPendingAuthentications, limits.handshakeTimeoutMs, environment.runtime);
    this.#check = new ClientCheck(environment, options, this.#turns);
  }

  /** Rejects with what the client is to be told. */
  async decide(admission: LinkAdmission, opening: Opening): Promise<void> {
    const { link } = admission;
    const { remoteAddress } = link.properties;
    // Those who come back are let in until the time of their session is over. spec: DRAIN-1
    if (this.#parts.draining.isOver) throw shuttingDown();
    if (!isSessionPublicKey(opening.message.clientKey))
      throw refused(ErrorCode.PROTOCOL_VIOLATION, "the client's session key is not a P-256 public key", "protocol");
    if (opening.kind === "hello") {
      this.#assertTaking();
      await this.#asStranger(admission, async (onAsked) => {
        this.#throwIfLimited(this.#redirect(link, opening.message.features));
        const identity = await this.#check.credentials(admission, opening, this.#parts.gate.networkOf(remoteAddress), onAsked);
        this.#begin(admission, opening, this.#environment.runtime.randomBytes(16), 1, { clientIdentity: identity }, true);
      });
      return;
    }
    const { message } = opening;
    const sessionId = sessionIdText(message.sessionId);
    const isMember = this.#parts.sessions.get(sessionId) !== undefined;
    if (isMember) await this.#asMember(remoteAddress, (onAsked) => this.#join(admission, opening, sessionId, onAsked));
    else await this.#asStranger(admission, (onAsked) => this.#join(admission, opening, sessionId, onAsked));
  }

  /** Nobody is decided about any more. */
  stop(): void {
    this.#turns.stop();
  }

  /** Checks what somebody shows of whom nothing is known, within what his network may have wrong. */
  async #asStranger(admission: LinkAdmission, check: Check): Promise<void> {
    const { remoteAddress } = admission.link.properties;
    this.#throwIfLimited(this.#parts.gate.path(remoteAddress) ?? (await this.#parts.gate.check(remoteAddress, admission)));
    const { gate } = this.#parts;
    let isFoundWrong = false;
    let answered: Promise<boolean> | undefined;
    try {
      if (!admission.isOver)
        await check((asked) => {
          answered = asked;
        });
    } catch (error) {
      isFoundWrong = isWrong(refusalOf(error));
      throw error;
    } finally {
      // What the application was asked goes on though the client has left, and may still find it wrong.
      if (answered === undefined) gate.checked(remoteAddress, isFoundWrong);
      else void answered.then((isWrongToo) => gate.checked(remoteAddress, isFoundWrong || isWrongToo));
    }
  }

  /** The paths of a session that is here are not those of a crowd: who holds its key is let in, however busy his network is. */
  async #asMember(remoteAddress: string, check: Check): Promise<void> {
    try {
      await check(() => undefined);
    } catch (error) {
      if (isWrong(refusalOf(error))) this.#parts.gate.checkFailed(remoteAddress);
      throw error;
    }
  }

  async #join(
    admission: LinkAdmission,
    opening: Extract<Opening, { kind: "join" }>,
    sessionId: string,
    onAsked: (answered: Promise<boolean>) => void,
  ): Promise<void> {
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
    const holder = isTicketed
      ? await this.#check.ticket(link, message, sessionId)
      : { clientIdentity: await this.#check.credentials(admission, opening, this.#parts.gate.networkOf(remoteAddress), onAsked) };
    // Another path of the same client may have begun the session in the meantime.
    if (this.#rejoin(admission, opening, sessionId, isForHere)) return;
    this.#begin(admission, opening, message.sessionId, message.memberId, holder, isTicketed);
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
    const known = this.#parts.sessions.get(sessionId);
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
    { clientIdentity, certificateIdentity }: TicketHolder,
    isVouched: boolean,
  ): void {
    if (admission.isOver) return;
    this.#assertTaking();
    const { remoteAddress, clientIdentity: shown } = admission.link.properties;
    const certificateIdentities = [certificateIdentity, shown].filter((identity) => identity !== undefined);
    // It may have been revoked while `authenticate` was asked, or a ticket was checked.
    for (const identity of certificateIdentities) this.#check.refuseIfRevoked(identity);
    if (this.#parts.queue.length >= this.#limits.maxWaitingSessions)
      throw new RefusedError(limitReached("waiting", "too many sessions wait to be accepted by the application", WAITING_RETRY_MS));
    this.#throwIfLimited(this.#parts.gate.session(remoteAddress));
    const id = sessionIdText(sessionId);
    const onEnded = (): void => this.#parts.gate.sessionEnded(remoteAddress);
    const network = this.#parts.gate.networkOf(remoteAddress);
    const session = this.#parts.sessions.begin(id, { sessionId, member, clientIdentity, certificateIdentities, network, opening, onEnded });
    try {
      this.#attach(session, admission, opening, isVouched);
    } catch (error) {
      this.#parts.sessions.discard(id);
      this.#parts.gate.sessionEnded(remoteAddress);
      throw error;
    }
    this.accepted += 1;
    this.#parts.queue.push(session);
  }

  #attach(session: ServerSessionOverPaths, admission: LinkAdmission, opening: Opening, isVouched: boolean): void {
    if (admission.isOver) return;
    const { link } = admission;
    const pathId = opening.kind === "hello" ? 0 : opening.message.pathId;
    const problem = session.acceptance.refusalOf(opening);
    if (problem !== undefined) throw refused(problem.code, problem.reason, "path");
    this.#parts.waiting.delete(admission);
    const binding = session.pump.adopt(pathId, link, admission.carriers());
    admission.handOver(binding);
    const info = {
      address: link.properties.remoteAddress,
      transport: link.properties.transport,
      identity: undefined,
      isEncrypted: link.capabilities.encrypted,
    };
    const path = session.acceptance.accept(this.#environment.runtime.now(), admission.acceptor, opening, info, isVouched);
    if ("reason" in path && "code" in path) throw new Error(`a path was refused after it had been allowed: ${path.reason}`);
    session.pump.pump();
  }

  /** Whether new sessions and members are let in. spec: DRAIN-1 */
  #assertTaking(): void {
    if (this.#parts.isClosing()) throw shuttingDown();
  }
}

/** Whether what a client showed was wrong, rather than too much, too late or misunderstood. */
function isWrong({ reason }: Refusal): boolean {
  return reason === "proof" || reason === "credentials" || reason === "revoked" || reason.startsWith("ticket-");
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
