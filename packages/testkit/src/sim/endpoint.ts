import { Arrival, ErrorCode, errorName, type PathId, type Session, type SessionEvent, type StreamEntry, type Transmit } from "@kwik/proto";
import type { Incidents } from "../guards/incidents.ts";
import { SIM_DATAGRAM_BYTES, type SimLinkEnd } from "./sim-link.ts";
import type { StreamEnds } from "./stream-ends.ts";
import type { HostClock } from "./host-clock.ts";
import type { Timer } from "./virtual-clock.ts";

/** What an endpoint's owner does about events that the endpoint itself does not handle. */
export interface EndpointOwner {
  onEvent(endpoint: Endpoint, event: SessionEvent): void;
  /** A link of the session ended, by whichever side. */
  onLinkGone(endpoint: Endpoint, pathId: PathId): void;
}

/** Polls that may follow each other without anything coming in; more is a loop in the state machine. */
const MAX_TURNS = 64;
const MAX_TRANSMITS = 100_000;

/** Drives one session in simulated time, in the same order as the driver of core. */
export class Endpoint {
  readonly name: string;
  readonly session: Session;
  readonly streams: StreamEnds;
  readonly links = new Map<PathId, SimLinkEnd>();
  /** How the session ended, once it has. */
  ended: Extract<SessionEvent, { type: "ended" }> | undefined;
  endedCount = 0;
  isStopped = false;
  readonly #clock: HostClock;
  readonly #incidents: Incidents;
  readonly #owner: EndpointOwner;
  #timer: Timer | undefined;
  #isPumping = false;
  #isWoken = false;

  constructor(name: string, session: Session, clock: HostClock, streams: StreamEnds, incidents: Incidents, owner: EndpointOwner) {
    this.name = name;
    this.session = session;
    this.streams = streams;
    this.#clock = clock;
    this.#incidents = incidents;
    this.#owner = owner;
    streams.onWork = () => this.wake();
  }

  /** The time of its host. */
  get now(): number {
    return this.#clock.now;
  }

  /** Pumps once the present action is over. */
  wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    this.#clock.schedule(0, () => {
      this.#isWoken = false;
      this.pump();
    });
  }

  /** Takes a link over; its carriers are known to the session already, or will be. */
  attach(pathId: PathId, link: SimLinkEnd): void {
    this.links.set(pathId, link);
    link.host = this.#clock;
    link.observer = {
      // A copy, as a transport would bring it: what is emptied too early does not compare.
      onData: (carrier, data) => {
        if (this.isStopped) return;
        const copy = data.slice();
        const arrival = Arrival.of(copy);
        this.session.handleCarrierData(this.#clock.now, pathId, carrier, copy, arrival);
        arrival?.release();
      },
      onCarrierEnd: (carrier) => this.session.handleCarrierClosed(this.#clock.now, pathId, carrier),
      onDatagram: (data) => this.session.handleDatagram(this.#clock.now, pathId, data),
      onBatchEnd: () => this.pump(),
      onClose: (code, reason, isRemote) => {
        if (this.isStopped) return;
        this.links.delete(pathId);
        const told = code === 0 && !isRemote ? ErrorCode.LINK_LOST : code || ErrorCode.LINK_LOST;
        this.session.linkLost(this.#clock.now, pathId, told, reason === "" ? "the connection ended" : reason);
        this.#owner.onLinkGone(this, pathId);
        this.pump();
      },
    };
    // It ended while nobody was told.
    if (link.isClosed) this.#clock.schedule(0, () => link.observer?.onClose(0, "the connection ended", true));
  }

  pump(): void {
    if (this.#isPumping || this.isStopped) return;
    this.#isPumping = true;
    const { now } = this.#clock;
    const due = this.session.pollTimeout();
    if (due !== undefined && due <= now) this.session.handleTimeout(now);
    for (const pathId of this.links.keys()) this.session.setLinkDatagramBytes(pathId, SIM_DATAGRAM_BYTES);
    let turns = 0;
    do {
      turns += 1;
      if (turns > MAX_TURNS) throw new Error(`${this.name}: events and transmits without end`);
      this.#transmit(now);
    } while (this.#tell());
    this.#isPumping = false;
    this.#setTimer();
  }

  /** The process is gone: nothing happens here any more. */
  stop(): void {
    this.isStopped = true;
    this.streams.isGone = true;
    if (this.#timer !== undefined) this.#clock.cancel(this.#timer);
    for (const link of this.links.values()) link.vanish();
  }

  #transmit(now: number): void {
    for (let count = 0; count < MAX_TRANSMITS; count += 1) {
      const transmit = this.session.pollTransmit(now);
      if (transmit === undefined) return;
      this.#carryOut(transmit, now);
    }
    throw new Error(`${this.name}: transmits without end`);
  }

  #carryOut(transmit: Transmit, now: number): void {
    const link = this.links.get(transmit.pathId);
    switch (transmit.kind) {
      case "send":
        link?.send(transmit.carrier, transmit.parts);
        return;
      case "open":
        this.session.handleCarrierOpened(now, transmit.pathId, link?.openCarrier());
        return;
      case "datagram":
        link?.sendDatagram(transmit.data);
        return;
      case "reset-carrier":
        link?.reset(transmit.carrier);
        return;
      case "close":
        this.#incidents.closing(this.name, transmit.pathId, transmit.code, transmit.reason);
        link?.close(transmit.code, transmit.reason);
        return;
      default:
        transmit satisfies never;
    }
  }

  #tell(): boolean {
    let told = false;
    const { session } = this;
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      told = true;
      this.#event(event);
    }
    for (let entry = session.pollIncomingStream(); entry !== undefined; entry = session.pollIncomingStream()) {
      told = true;
      this.streams.accepted(entry);
    }
    for (let entry = session.pollChangedStream(); entry !== undefined; entry = session.pollChangedStream()) {
      told = true;
      this.#update(entry);
    }
    while (session.server?.contributions.pollChanged() !== undefined) {
      told = true;
      this.streams.contributionsChanged();
    }
    return told;
  }

  #update(entry: StreamEntry): void {
    const { signals } = entry;
    entry.signals = 0;
    this.streams.changed(entry, signals);
  }

  #event(event: SessionEvent): void {
    switch (event.type) {
      case "ended":
        this.ended = event;
        this.endedCount += 1;
        this.streams.sessionEnded();
        break;
      case "path-degraded":
      case "path-recovered":
      case "path-dead":
        this.#incidents.note(event.type, this.name, `path ${event.path.id}: ${event.reason}`);
        break;
      case "path-failed":
        this.#incidents.note("path-failed", this.name, `path ${event.path.id}: ${errorName(event.code)} ${event.reason}`);
        break;
      case "suspended":
      case "resumed":
        this.#incidents.note(event.type, this.name, event.reason);
        break;
      case "source-isolated":
      case "source-slow":
        this.#incidents.note(event.type, this.name, `member ${event.member}: ${event.reason}`);
        break;
      default:
    }
    this.#owner.onEvent(this, event);
  }

  #setTimer(): void {
    const at = this.session.pollTimeout();
    if (this.#timer !== undefined && !this.#timer.isCancelled) {
      if (at !== undefined && this.#timer.at <= at) return;
      this.#clock.cancel(this.#timer);
    }
    this.#timer = undefined;
    if (at === undefined) return;
    const timer = this.#clock.schedule(Math.max(at - this.#clock.now, MIN_TIMER_MS), () => {
      timer.isCancelled = true;
      this.pump();
    });
    this.#timer = timer;
  }
}

/** No host's timer is finer. */
const MIN_TIMER_MS = 0.5;
