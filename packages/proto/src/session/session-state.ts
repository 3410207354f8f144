import type { Arrival } from "../data/arrival.ts";
import { PRIMARY_MEMBER, type MemberId, type PathId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import type { Rng } from "../base/rng.ts";
import type { Instant } from "../base/time.ts";
import { PathTable } from "../path/path-table.ts";
import type { SchedulerFactory } from "../schedule/scheduler.ts";
import type { Checksum } from "../wire/frame.ts";
import type { PathWire } from "./path-wire.ts";
import { CREDIT_BEFORE_HELLO, NO_CREDIT, Peer } from "./peer.ts";
import type { SentFrame } from "./sent-frame.ts";
import type { SessionEvent, SessionPath } from "./session-event.ts";
import { StreamTable } from "./stream-table.ts";

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
}

/** The facts of a session that its parts share. Each has one owner; this only brings them together. */
export class SessionState {
  readonly config: SessionConfig;
  readonly limits: Limits;
  readonly paths = new PathTable<SentFrame>();
  readonly wires = new Map<PathId, PathWire>();
  readonly peers = new Map<MemberId, Peer>();
  readonly streams: StreamTable;
  readonly #events: SessionEvent[] = [];
  /** 16 bytes; empty until the primary has assigned it. */
  id: Uint8Array = new Uint8Array(0);
  /** Time of the call that is being worked on. */
  now: Instant;
  hasEnded = false;
  /** The session's primary server, as the client decided it last. spec: PRIMARY-1 */
  primary: MemberId = PRIMARY_MEMBER;
  /** Client: servers that are being dialled, and are no members. While there are some, the leaving of the last member does not end the session. */
  prospects = 0;
  /** The memory of what is being taken in just now, if it can be given back. */
  arrival: Arrival | undefined;

  constructor(config: SessionConfig, now: Instant) {
    this.config = config;
    this.limits = config.limits;
    this.now = now;
    this.streams = new StreamTable(config.role, config.member, config.limits);
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
      peer = new Peer(member, this.limits, this.config.scheduler(), this.isClient ? CREDIT_BEFORE_HELLO : NO_CREDIT, this.isClient);
      this.peers.set(member, peer);
    }
    return peer;
  }

  wireOf(path: SessionPath): PathWire | undefined {
    return this.wires.get(path.id);
  }
}
