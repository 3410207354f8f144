import { type Opening, SeededRng, ServerSide, Session, schedulerFactory, type SchedulerFactory } from "@kwik/proto";
import type { ListenLimits } from "../api/listener-limits.ts";
import type { ListenOptions } from "../api/options.ts";
import type { ListenerStats } from "../api/stats.ts";
import type { Runtime } from "../driver/runtime.ts";
import { SendPool } from "../session/send-budget.ts";
import { BytePool } from "./byte-pool.ts";
import { CERTIFICATE_REVOKED } from "./client-check.ts";
import { FairTurns } from "./fair-turns.ts";
import type { ListenEnvironment } from "./listen-environment.ts";
import { trafficOf } from "../session/traffic.ts";
import { ServerSessionOverPaths } from "./server-session.ts";
import { SuspendedSessions } from "./suspended-sessions.ts";

/** What a session begins with. */
export interface SessionStart {
  /** 16 bytes. */
  readonly sessionId: Uint8Array;
  /** The number that this server has in it. */
  readonly member: number;
  readonly clientIdentity: string | undefined;
  /** Whose certificates the client showed, whatever `authenticate` calls it: first to the server whose ticket it came with, then here. */
  readonly certificateIdentities: readonly string[];
  /** The network that it began in; undefined for one that many clients come through. */
  readonly network: string | undefined;
  readonly opening: Opening;
  /** The session has ended. */
  readonly onEnded: () => void;
}

const MAX_TIMER_MS = 0x7fff_ffff;

/** The sessions of a listener: what they share, what they came to, and an end for those that nobody uses. */
export class SessionTable {
  readonly #environment: ListenEnvironment;
  readonly #options: ListenOptions;
  readonly #limits: ListenLimits;
  readonly #scheduler: SchedulerFactory;
  readonly #sendPool: SendPool;
  readonly #windowPool: BytePool;
  /** Calls of `authorizeStream`. */
  readonly #streamTurns: FairTurns;
  readonly #openingTurns: FairTurns;
  readonly #sessions = new Map<string, ServerSessionOverPaths>();
  readonly #suspended: SuspendedSessions;
  readonly #past = { bytesSent: 0, bytesReceived: 0 };
  #idleTimer: unknown;

  constructor(environment: ListenEnvironment, options: ListenOptions, limits: ListenLimits) {
    this.#environment = environment;
    this.#options = options;
    this.#limits = limits;
    this.#scheduler = schedulerFactory(options.scheduler);
    this.#sendPool = new SendPool(limits.maxSendBufferBytesInAll);
    this.#suspended = new SuspendedSessions(limits.maxSuspendedSessions);
    this.#windowPool = new BytePool(limits.maxReceiveWindowBytesInAll);
    this.#streamTurns = new FairTurns(limits.maxPendingAuthorizationsInAll, limits.handshakeTimeoutMs, environment.runtime);
    this.#openingTurns = new FairTurns(limits.maxPendingOpeningsInAll, limits.handshakeTimeoutMs, environment.runtime);
  }

  get(id: string): ServerSessionOverPaths | undefined {
    return this.#sessions.get(id);
  }

  all(): ServerSessionOverPaths[] {
    return [...this.#sessions.values()];
  }

  stats(): Omit<ListenerStats, "acceptedSessions" | "refusedSessions" | "refusals" | "redirectedSessions" | "waitingConnections"> {
    let { bytesSent, bytesReceived } = this.#past;
    for (const session of this.#sessions.values()) {
      const traffic = trafficOf(session.protocol);
      bytesSent += traffic.bytesSent;
      bytesReceived += traffic.bytesReceived;
    }
    const { bytes: sendBufferBytes } = this.#sendPool;
    return {
      sessions: this.#sessions.size,
      suspendedSessions: this.#suspended.count,
      resumedSessions: this.#suspended.resumed,
      expiredSessions: this.#suspended.expired,
      bytesSent,
      bytesReceived,
      sendBufferBytes,
      receiveWindowBytes: this.#windowPool.bytes,
    };
  }

  begin(id: string, start: SessionStart): ServerSessionOverPaths {
    const { sessionId, member, clientIdentity, certificateIdentities, network, opening, onEnded } = start;
    const { runtime, agent, identity, checksum, authority, onNotice } = this.#environment;
    const options = this.#options;
    const windows = this.#windowPool.share();
    // Behind a proxy there is no network to count by, but there may be an identity.
    const party = network ?? `client ${clientIdentity ?? id}`;
    const config = {
      role: "server" as const,
      member,
      limits: this.#limits,
      rng: new SeededRng(seedOf(runtime)),
      scheduler: this.#scheduler,
      agent,
      clientKey: new Uint8Array(opening.message.clientKey),
      identity,
      checksum,
      mayGrowWindow: (bytes: number) => windows.take(bytes),
    };
    const session: ServerSessionOverPaths = new ServerSessionOverPaths(
      new Session(config, runtime.now(), { sessionId: new Uint8Array(sessionId), side: ServerSide }),
      runtime,
      {
        clientIdentity,
        certificateIdentities,
        content: options.content,
        authority,
        authorizeStream: options.authorizeStream?.bind(options),
        maxPendingAuthorizations: this.#limits.maxPendingAuthorizations,
        streamTurns: this.#streamTurns.share(network),
        openingTurns: this.#openingTurns.share(network),
        sendPool: this.#sendPool,
        onNotice: (message) => onNotice?.(message),
        onSuspended: (isSuspended) => (isSuspended ? this.#suspended.suspended(session, party) : this.#suspended.hasPath(session)),
        onEnded: (isExpired) => {
          this.#suspended.ended(session, isExpired);
          windows.giveBack();
          if (this.#forget(id)) onEnded();
        },
      },
    );
    this.#sessions.set(id, session);
    return session;
  }

  /** It has not begun after all: nobody has seen it yet. */
  discard(id: string): void {
    this.#sessions.delete(id);
  }

  /** Ends the sessions of clients that are not believed any more. */
  endRevoked(isRevoked: (identity: string) => boolean): void {
    for (const session of this.all()) if (session.identities.some(isRevoked)) session.closeRevoked(CERTIFICATE_REVOKED);
  }

  /** Looks a few times within the idle timeout for sessions that nobody uses. */
  endIdleLater(): void {
    const { idleTimeoutMs } = this.#limits;
    const { runtime } = this.#environment;
    if (!(idleTimeoutMs > 0 && idleTimeoutMs <= MAX_TIMER_MS)) return;
    this.#idleTimer = runtime.setTimer(
      () => {
        const now = runtime.now();
        for (const session of this.all())
          if (session.idleMs(now) >= idleTimeoutMs) session.closeIdle(`nothing was asked for ${idleTimeoutMs} ms`);
        this.endIdleLater();
      },
      Math.ceil(idleTimeoutMs / 4),
    );
  }

  /** Looks for idle ones no more. */
  stopIdle(): void {
    this.#environment.runtime.clearTimer(this.#idleTimer);
  }

  /** All have ended, and the application is asked nothing more. */
  stop(): void {
    this.#streamTurns.stop();
    this.#openingTurns.stop();
  }

  #forget(id: string): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    this.#sessions.delete(id);
    const traffic = trafficOf(session.protocol);
    this.#past.bytesSent += traffic.bytesSent;
    this.#past.bytesReceived += traffic.bytesReceived;
    return true;
  }
}

function seedOf(runtime: Runtime): number {
  return new DataView(runtime.randomBytes(4).buffer).getUint32(0);
}
