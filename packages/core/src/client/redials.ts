import { ErrorCode, type MemberId, type SessionPath } from "@kwik/proto";
import { KwikError, LimitError } from "../api/errors.ts";
import { formatAddress, parseAddress, type ServerAddress } from "../transport/address.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 4_000;
/** Who has not answered so often, which takes about forty seconds, is dialled less and less often. */
const MANY_FAILURES = 15;
const MAX_LONG_PAUSE_MS = 60_000;
/** A path that was in use for so long was a good one: the next loss is answered at once. */
const PROVEN_AFTER_MS = 1_000;
/** A server that is only somebody's advice, and never answered, is tried so often. */
const MAX_TRIES_OF_STRANGERS = 10;
/** … and one that was in use, so often: it will hardly come back. */
const MAX_TRIES_OF_FORMER = 30;
/** Who leaves is dialled as if it had failed so often. */
const FAILURES_OF_LEAVING = 5;
/** A session without a path waits so long for those that were in use before it turns to those that never were. */
const UNUSED_AFTER_MS = 2_000;
/** Answers that the same question would only bring again. */
const POINTLESS = new Set<number>([ErrorCode.AUTH_REFUSED, ErrorCode.TICKET_REFUSED, ErrorCode.VERSION, ErrorCode.IDENTITY_MISMATCH]);

/** A server that a session may dial again. */
export interface RedialledServer {
  readonly address: ServerAddress;
  readonly key: string;
  /** "sha256:…" that it has to prove, if it is known. */
  identity: string | undefined;
  priority: number;
  /** Whose ticket it is to come with; the primary's if undefined. */
  authority: MemberId | undefined;
}

interface Entry extends RedialledServer {
  isOwn: boolean;
  /** It may be dialled again: it was not taken out by wish, and did not refuse for good. */
  isWanted: boolean;
  isDialling: boolean;
  /** It left the session by wish. */
  hasDeparted: boolean;
  failures: number;
  activeSince: number | undefined;
  /** When a server that has too much to do may be dialled again. spec: CTRL-18 */
  notBefore: number;
  /** When it was tried last. */
  triedAt: number;
  /** Ends the pause that it is in. */
  wake: (() => void) | undefined;
}

/** What dialling again needs of the session. */
export interface RedialPort {
  now(): number;
  isStopped(): boolean;
  /** Whether the session may have one path more. */
  hasRoom(): boolean;
  /** Why it may not. */
  full(): KwikError;
  hasPathTo(address: string): boolean;
  sleep(ms: number): Promise<void>;
  /** Dials the server and joins it; resolves when the join is on its way, or a path is there already. Rejects with KwikError. */
  connect(server: RedialledServer): Promise<void>;
  /** The first of some tries has failed. */
  onFailed(address: string, error: KwikError): void;
}

/** Which servers a client dials again, and when: each by itself, at once, then ever more rarely. spec: RESUME-4 */
export class Redials {
  readonly #port: RedialPort;
  readonly #servers = new Map<string, Entry>();
  /** The suspension that the session is in. */
  #suspension: object | undefined;

  constructor(port: RedialPort) {
    this.#port = port;
  }

  /** Servers that are being dialled and have not left by wish. */
  get count(): number {
    let count = 0;
    for (const entry of this.#servers.values()) if (entry.isDialling && !entry.hasDeparted) count += 1;
    return count;
  }

  /** The user named it: what servers say does not take it out. */
  own(address: ServerAddress): void {
    this.#entry(address).isOwn = true;
  }

  isOwn(address: string): boolean {
    return this.#servers.get(address)?.isOwn === true;
  }

  /** Was in use before. */
  wasActive(address: string): boolean {
    return this.#servers.get(address)?.activeSince !== undefined;
  }

  /** Dials a server that has no path. */
  dial(address: ServerAddress, more: Partial<Pick<RedialledServer, "identity" | "priority" | "authority">> = {}): void {
    const entry = this.#entry(address);
    Object.assign(entry, more);
    this.#dial(entry);
  }

  pathActive(path: SessionPath): void {
    const entry = this.#entryOf(path);
    entry.activeSince = this.#port.now();
    entry.identity = path.identity;
    entry.priority = path.priority;
    entry.isWanted = true;
    entry.hasDeparted = false;
  }

  /** A path died: its server is dialled until it answers or the session is over. */
  pathDied(path: SessionPath): void {
    const entry = this.#entryOf(path);
    entry.identity = path.identity;
    entry.priority = path.priority;
    // One that died as soon as it was there counts as a failure: whoever accepts and then breaks off must not be dialled without end.
    if (entry.activeSince !== undefined && this.#port.now() - entry.activeSince >= PROVEN_AFTER_MS) entry.failures = 0;
    this.#dial(entry);
  }

  /** A server is lost to the session: there may be room for another of the user's own now. */
  serverLost(): void {
    this.#dialUnused();
  }

  /** A path was refused: the user's own servers, and those that were in use before, are tried again unless that is pointless. */
  pathFailed(path: SessionPath, code: number, retryAfterMs: number): void {
    const entry = this.#servers.get(path.address);
    if (entry === undefined) return;
    if (retryAfterMs > 0) entry.notBefore = this.#port.now() + retryAfterMs;
    if (POINTLESS.has(code)) entry.isWanted = false;
    else if (code === ErrorCode.GOING_AWAY) this.#dialLater(entry);
    else if (entry.isOwn || entry.activeSince !== undefined) this.#dial(entry);
  }

  /** A path was taken out by wish, and no other leads there. */
  pathRemoved(address: string): void {
    const entry = this.#servers.get(address);
    if (entry?.isOwn === false) entry.isWanted = false;
  }

  /** The server has left by wish, and may come back before long. */
  departed(address: string): void {
    const entry = this.#servers.get(address);
    if (entry === undefined) return;
    entry.hasDeparted = true;
    this.#dialLater(entry);
  }

  /**
   * No path is left: whoever was in use is dialled at once, and who never was as soon as one of those failed, or took too long. Where the session may have few paths,
   * they are first for those at which streams live. spec: RESUME-4
   */
  suspended(): void {
    const suspension = {};
    this.#suspension = suspension;
    for (const entry of this.#servers.values()) {
      if (!entry.isWanted || entry.activeSince === undefined) continue;
      const isLongAgo = this.#port.now() - entry.triedAt >= MAX_PAUSE_MS;
      if (isLongAgo) entry.wake?.();
      if ((isLongAgo || !entry.isDialling) && !entry.hasDeparted) entry.failures = Math.min(entry.failures, 1);
      this.#dial(entry);
    }
    if (this.count === 0) this.#dialUnused();
    else void this.#port.sleep(UNUSED_AFTER_MS).then(() => this.#suspension === suspension && this.#dialUnused());
  }

  resumed(): void {
    this.#suspension = undefined;
  }

  #dialUnused(): void {
    for (const entry of this.#servers.values()) {
      if (entry.isOwn && entry.isWanted && entry.activeSince === undefined && this.#port.hasRoom()) this.#dial(entry);
    }
  }

  /** What leads through a relay is the user's own, and known here: nobody can read its name back. */
  #entryOf(path: SessionPath): Entry {
    return this.#servers.get(path.address) ?? this.#entry(parseAddress(path.address));
  }

  #entry(address: ServerAddress): Entry {
    const key = formatAddress(address);
    let entry = this.#servers.get(key);
    if (entry === undefined) {
      entry = {
        address,
        key,
        identity: undefined,
        priority: 128,
        authority: undefined,
        isOwn: false,
        isWanted: true,
        isDialling: false,
        hasDeparted: false,
        failures: 0,
        activeSince: undefined,
        notBefore: 0,
        triedAt: Number.NEGATIVE_INFINITY,
        wake: undefined,
      };
      this.#servers.set(key, entry);
    }
    return entry;
  }

  /** Not before it has had a moment to end and to begin anew. */
  #dialLater(entry: Entry): void {
    entry.failures = Math.max(entry.failures, FAILURES_OF_LEAVING);
    if (entry.isOwn || entry.activeSince !== undefined) this.#dial(entry);
  }

  #dial(entry: Entry): void {
    if (entry.isDialling || this.#port.isStopped() || this.#port.hasPathTo(entry.key)) return;
    entry.isDialling = true;
    void this.#keepDialling(entry).finally(() => (entry.isDialling = false));
  }

  async #pause(entry: Entry, ms: number): Promise<void> {
    await Promise.race([this.#port.sleep(ms), new Promise<void>((resolve) => (entry.wake = resolve))]);
    entry.wake = undefined;
  }

  async #keepDialling(entry: Entry): Promise<void> {
    const port = this.#port;
    for (;;) {
      if (port.isStopped() || port.hasPathTo(entry.key)) return;
      const { failures } = entry;
      // audited: jitter, no secret
      const jitter = 0.75 + Math.random() * 0.5;
      const waitMs = Math.max(failures === 0 ? 0 : pauseMs(failures) * jitter, entry.notBefore - port.now());
      if (waitMs > 0) await this.#pause(entry, waitMs);
      if (port.isStopped() || port.hasPathTo(entry.key)) return;
      entry.failures += 1;
      entry.triedAt = port.now();
      try {
        if (!port.hasRoom()) throw port.full();
        await port.connect(entry);
        return;
      } catch (error) {
        const problem = KwikError.from(error);
        if (port.isStopped()) return;
        if (failures === 0) port.onFailed(entry.key, problem);
        if (this.#suspension !== undefined) this.#dialUnused();
        if (isPointless(problem)) return;
        // A relay has no room for now.
        if (problem instanceof LimitError) entry.notBefore = port.now() + problem.retryAfterMs;
        const wasActive = entry.activeSince !== undefined;
        // Somebody else may have the port of another transport; a server that was in use may come back.
        if (!wasActive && problem.code === "NOT_TRUSTED") return;
        if (!entry.isOwn && entry.failures >= (wasActive ? MAX_TRIES_OF_FORMER : MAX_TRIES_OF_STRANGERS)) {
          this.#servers.delete(entry.key);
          return;
        }
      }
    }
  }
}

/** The same try would fail in the same way until something changes here. What others say of their own limits passes by itself. */
function isPointless({ code, remote }: KwikError): boolean {
  return (code === "LIMIT_REACHED" && !remote) || code === "INVALID_ARGUMENT" || code === "TICKET_REFUSED";
}

function pauseMs(failures: number): number {
  if (failures <= MANY_FAILURES) return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), MAX_PAUSE_MS);
  return Math.min(MAX_PAUSE_MS * 2 ** (failures - MANY_FAILURES), MAX_LONG_PAUSE_MS);
}
