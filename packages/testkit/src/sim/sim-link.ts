import type { CarrierId } from "@kwik/proto";
import type { HostClock } from "./host-clock.ts";
import type { Pipe } from "./pipe.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** The largest datagram of a simulated link, in bytes. */
export const SIM_DATAGRAM_BYTES = 1_200;

/** Who is told what a simulated link brings. */
export interface LinkObserver {
  onData(carrier: CarrierId, data: Uint8Array): void;
  onCarrierEnd(carrier: CarrierId): void;
  onClose(code: number, reason: string, isRemote: boolean): void;
  onDatagram(data: Uint8Array): void;
  /** A piece was delivered whole: a good moment to answer. */
  onBatchEnd(): void;
}

/** One connection over a line: two ends that share carriers. */
export class SimLink {
  readonly client: SimLinkEnd;
  readonly server: SimLinkEnd;
  readonly id: number;

  constructor(id: number, clock: VirtualClock, up: Pipe, down: Pipe) {
    this.id = id;
    this.client = new SimLinkEnd(clock, up, id, 0);
    this.server = new SimLinkEnd(clock, down, id, 1);
    this.client.connect(this.server);
    this.server.connect(this.client);
  }

  /** The connection breaks; both ends are told at once. */
  cut(reason: string): void {
    this.client.drop(0, reason, true);
    this.server.drop(0, reason, true);
  }
}

/** What one side sees of a connection. */
export class SimLinkEnd {
  observer: LinkObserver | undefined;
  /** The host at this end: what comes while that is frozen is told when it goes on. */
  host: HostClock | undefined;
  /** Called when bytes come to an end whose process is gone. */
  onOrphan: (() => void) | undefined;
  readonly #clock: VirtualClock;
  readonly #pipe: Pipe;
  readonly #linkId: number;
  readonly #open = new Set<CarrierId>();
  readonly #ended = new Set<CarrierId>();
  #peer: SimLinkEnd | undefined;
  #nextCarrier: CarrierId;
  #isClosed = false;
  #queuedBytes = 0;
  #datagrams = 0;

  constructor(clock: VirtualClock, pipe: Pipe, linkId: number, firstCarrier: CarrierId) {
    this.#clock = clock;
    this.#pipe = pipe;
    this.#linkId = linkId;
    this.#nextCarrier = firstCarrier;
  }

  connect(peer: SimLinkEnd): void {
    this.#peer = peer;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes that were given to this end and have not arrived. */
  get undeliveredBytes(): number {
    return this.#queuedBytes;
  }

  openCarrier(): CarrierId | undefined {
    if (this.#isClosed) return undefined;
    const carrier = this.#nextCarrier;
    this.#nextCarrier += 4;
    this.#open.add(carrier);
    return carrier;
  }

  send(carrier: CarrierId, parts: readonly Uint8Array[]): void {
    if (this.#isClosed || this.#ended.has(carrier)) return;
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    let room = this.#pipe.nextChunkBytes();
    for (const part of parts) {
      for (let at = 0; at < part.length; ) {
        const taken = Math.min(room - bytes, part.length - at);
        pieces.push(part.subarray(at, at + taken));
        bytes += taken;
        at += taken;
        if (bytes < room) continue;
        this.#ship(carrier, pieces, bytes);
        pieces = [];
        bytes = 0;
        room = this.#pipe.nextChunkBytes();
      }
    }
    if (bytes > 0) this.#ship(carrier, pieces, bytes);
  }

  /** A datagram of the link: not repeated, and in no order. */
  sendDatagram(data: Uint8Array): void {
    if (this.#isClosed || data.length > SIM_DATAGRAM_BYTES || this.#pipe.losesDatagram()) return;
    const peer = this.#peer;
    this.#datagrams += 1;
    this.#pipe.send({
      bytes: data.length,
      orderKey: `${this.#linkId}:datagram:${this.#datagrams}`,
      isVoid: () => this.#isClosed || peer?.isClosed === true,
      arrive: () => {
        peer?.tell(() => peer.observer?.onDatagram(data));
      },
    });
  }

  /** Ends both directions of a carrier; what is under way on it is lost. */
  reset(carrier: CarrierId): void {
    if (this.#isClosed || this.#ended.has(carrier)) return;
    this.#ended.add(carrier);
    const peer = this.#peer;
    this.#pipe.send({
      bytes: 0,
      orderKey: `${this.#linkId}:reset:${carrier}`,
      isVoid: () => this.#isClosed || peer?.isClosed === true,
      arrive: () => peer?.carrierReset(carrier),
    });
  }

  /** Closes at once: what has not arrived is lost; the other end hears of it if the line lets it. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    const peer = this.#peer;
    this.#pipe.send({
      bytes: 0,
      orderKey: `${this.#linkId}:close`,
      isVoid: () => peer?.isClosed === true,
      arrive: () => peer?.drop(code, reason, true),
    });
    this.drop(code, reason, false);
  }

  /** Ends here without a word to the other side. */
  drop(code: number, reason: string, isRemote: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#clock.schedule(0, () => this.#whenAwake(() => this.observer?.onClose(code, reason, isRemote)));
  }

  /** The process at this end is gone: nothing is heard, nothing is said. */
  vanish(): void {
    this.observer = undefined;
    this.#isClosed = true;
  }

  carrierReset(carrier: CarrierId): void {
    if (this.#isClosed || this.#ended.has(carrier)) return;
    this.#ended.add(carrier);
    this.tell(() => this.observer?.onCarrierEnd(carrier));
  }

  receive(carrier: CarrierId, pieces: readonly Uint8Array[]): void {
    if (this.#isClosed) this.onOrphan?.();
    if (this.#isClosed || this.#ended.has(carrier)) return;
    // Whoever hears the first of it may hand the link over to another, who then hears the rest.
    this.tell(() => {
      for (const piece of pieces) this.observer?.onData(carrier, piece);
    });
  }

  /** Tells whoever observes this end then, once its host is awake. */
  tell(what: () => void): void {
    this.#whenAwake(() => {
      what();
      this.observer?.onBatchEnd();
    });
  }

  #whenAwake(action: () => void): void {
    if (this.host === undefined) action();
    else this.host.run(action);
  }

  #ship(carrier: CarrierId, pieces: readonly Uint8Array[], bytes: number): void {
    const peer = this.#peer;
    this.#queuedBytes += bytes;
    this.#pipe.send({
      bytes,
      orderKey: `${this.#linkId}:${carrier}`,
      isVoid: () => this.#isClosed || this.#ended.has(carrier),
      arrive: () => {
        this.#queuedBytes -= bytes;
        peer?.receive(carrier, pieces);
      },
    });
  }
}
