import type { CarrierId } from "@kwik/proto";
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
        peer?.observer?.onDatagram(data);
        peer?.observer?.onBatchEnd();
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
    const { observer } = this;
    this.#clock.schedule(0, () => observer?.onClose(code, reason, isRemote));
  }

  /** The process at this end is gone: nothing is heard, nothing is said. */
  vanish(): void {
    this.observer = undefined;
    this.#isClosed = true;
  }

  carrierReset(carrier: CarrierId): void {
    if (this.#isClosed || this.#ended.has(carrier)) return;
    this.#ended.add(carrier);
    this.observer?.onCarrierEnd(carrier);
    this.observer?.onBatchEnd();
  }

  receive(carrier: CarrierId, pieces: readonly Uint8Array[]): void {
    if (this.#isClosed) this.onOrphan?.();
    if (this.#isClosed || this.#ended.has(carrier)) return;
    for (const piece of pieces) this.observer?.onData(carrier, piece);
    this.observer?.onBatchEnd();
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
