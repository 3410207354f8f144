import type { Arrival } from "../data/arrival.ts";
import { PRIMARY_MEMBER, type MemberId, type PathId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import type { Rng } from "../base/rng.ts";
import type { DurationMs, Instant } from "../base/time.ts";
import type { ControlMessages } from "../control/control-messages.ts";
import { PathTable } from "../path/path-table.ts";
import type { SchedulerFactory } from "../schedule/scheduler.ts";
import type { Checksum } from "../wire/frame.ts";
import type { PathWire } from "./path-wire.ts";
import { CREDIT_BEFORE_HELLO, NO_CREDIT, Peer } from "./peer.ts";
import type { SentFrame } from "./sent-frame.ts";
import type { SessionEvent, SessionPath } from "./session-event.ts";
import { StreamTable } from "./stream-table.ts";

/** So much later than it wanted to be called, at least, says that the process did not run. */
const SLEPT_MS: DurationMs = 2_000;

export interface SessionConfig {
  readonly role: "client" | "server";
  /** A server's number in this session; 0 on a client. */
  readonly member: MemberId;
  readonly limits: Limits;
  readonly rng: Rng;
  readonly scheduler: SchedulerFactory;
  /** Name and version of this software, for logs of the other side. */
  readonly agent: string;
  /** SPKI of the client's session key: its own on a client, the client's on a server. */
  readonly clientKey: Uint8Array;
  /** "sha256:…" of this server; empty on a client. */
  readonly identity: string;
  /** CRC-32 that is faster than the built-in one, if the runtime has it. */
  readonly checksum: Checksum | undefined;
  /** Asked when a receive window of the session is to grow by so many bytes; undefined says yes. */
  readonly mayGrowWindow?: (bytes: number) => boolean;
}

/** The facts of a session that its parts share. Each has one owner; this only brings them together. */
export class SessionState {
  readonly config: SessionConfig;
  readonly limits: Limits;
  /** The control messages of this side. */
  readonly messages: ControlMessages;
  readonly paths = new PathTable<SentFrame>();
  readonly wires = new Map<PathId, PathWire>();
  readonly peers = new Map<MemberId, Peer>();
  readonly streams: StreamTable;
  readonly #events: SessionEvent[] = [];
  /** 16 bytes; empty until the primary has assigned it. */
  id: Uint8Array = new Uint8Array(0);
  hasEnded = false;
  /** The session's primary server, as the client decided it last. spec: PRIMARY-1 */
  primary: MemberId = PRIMARY_MEMBER;
  /** Client: how many servers are being dialled that are no members. While there are some, the leaving of the last member does not end the session. */
  prospects: () => number = () => 0;
  /** The memory of what is being taken in just now, if it can be given back. */
  arrival: Arrival | undefined;

  /** Told when the process did not run for so long although it was to be called, and when that ended. spec: RESUME-3 */
  onSlept: (sleptMs: DurationMs, now: Instant) => void = () => undefined;
  readonly #longestWaitMs: DurationMs;
  #now: Instant;

  constructor(config: SessionConfig, messages: ControlMessages, now: Instant) {
    this.config = config;
    this.messages = messages;
    this.limits = config.limits;
    this.#now = now;
    this.#longestWaitMs = config.limits.probeIntervalMs + SLEPT_MS;
    this.streams = new StreamTable(config.role, config.member, config.limits);
  }

  /** Time of the call that is being worked on. */
  get now(): Instant {
    return this.#now;
  }

  set now(now: Instant) {
    const waitedMs = now - this.#now;
    this.#now = now;
    // A path in use is looked at each probe interval, and so is whoever is waited for.
    if (waitedMs > this.#longestWaitMs) this.onSlept(waitedMs - this.limits.probeIntervalMs, now);
  }

  get isClient(): boolean {
    return this.config.role === "client";
  }

  emit(event: SessionEvent): void {
    this.#events.push(event);
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** The peer of a member, made on first use. */
  peerOf(member: MemberId): Peer {
    let peer = this.peers.get(member);
    if (peer === undefined) {
      // A server has the client's hello before it sends anything; a client may not wait. spec: CREDIT-5
      const credit = this.isClient ? CREDIT_BEFORE_HELLO : NO_CREDIT;
      peer = new Peer(member, this.limits, this.config.scheduler(), credit, this.isClient, this.messages, this.config.mayGrowWindow);
      this.peers.set(member, peer);
    }
    return peer;
  }

  wireOf(path: SessionPath): PathWire | undefined {
    return this.wires.get(path.id);
  }
}
