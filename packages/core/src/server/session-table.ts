import { type Opening, SeededRng, ServerSide, Session, schedulerFactory, type SchedulerFactory } from "@kwik/proto";
import type { ListenLimits } from "../api/listener-limits.ts";
import type { ListenOptions } from "../api/options.ts";
import type { SessionClosedError } from "../api/errors.ts";
import type { HookName, ListenerStats } from "../api/stats.ts";
import type { Runtime } from "../driver/runtime.ts";
import { SendPool } from "../session/send-budget.ts";
import { BytePool } from "./byte-pool.ts";
import { CERTIFICATE_REVOKED } from "./client-check.ts";
import { CountedNotices } from "./counted-notices.ts";
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

/** Ends of sessions of which nobody has to hear. */
const EVERYDAY_ENDS: ReadonlySet<string> = new Set(["NO_ERROR", "APPLICATION", "GOING_AWAY", "NO_PATHS", "TIMEOUT"]);

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
  readonly #faults: CountedNotices<HookName>;
  readonly #endings: CountedNotices<string>;
  #refusedStreams = 0;
  readonly #past = { bytesSent: 0, bytesReceived: 0 };
  #idleTimer: unknown;

  constructor(environment: ListenEnvironment, options: ListenOptions, limits: ListenLimits) {
    this.#environment = environment;
    this.#options = options;
    this.#limits = limits;
    this.#scheduler = schedulerFactory(options.scheduler);
    const now = (): number => environment.runtime.now();
    this.#faults = new CountedNotices(now, environment.onNotice);
    this.#endings = new CountedNotices(now, environment.onNotice);
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
      refusedStreams: this.#refusedStreams,
      hookFaults: this.#faults.counts(),
      endings: this.#endings.counts() as Record<string, number>,
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
    const { runtime, agent, identity, checksum, authority } = this.#environment;
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
        contentReadTimeoutMs: this.#limits.contentReadTimeoutMs,
        sendPool: this.#sendPool,
        onFault: (hook, why) => this.#faults.add(hook, `${hook} failed: ${why}`),
        onStreamRefused: () => (this.#refusedStreams += 1),
        onSuspended: (isSuspended) => (isSuspended ? this.#suspended.suspended(session, party) : this.#suspended.hasPath(session)),
        onEnded: (error) => {
          this.#endings.add(error.code, noticeOf(id, error));
          this.#suspended.ended(session, error.code === "NO_PATHS");
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

/** What is said of a session's end here: for what its client did, or for a fault of ours. */
function noticeOf(id: string, { code, reason, remote }: SessionClosedError): string | undefined {
  if (remote || EVERYDAY_ENDS.has(code)) return undefined;
  return `session ${id.slice(0, 8)} ended with ${code}${reason === "" ? "" : `: ${reason}`}`;
}

function seedOf(runtime: Runtime): number {
  return new DataView(runtime.randomBytes(4).buffer).getUint32(0);
}
