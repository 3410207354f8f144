import { ErrorCode } from "@kwik/core";
import type { Carrier, CarrierReceiver, Link, LinkCapabilities, LinkCloseInfo, LinkProperties, LinkReceiver, LinkStats } from "@kwik/core";
import type { MemoryClock } from "./memory-clock.ts";
import { MemoryPipe } from "./memory-pipe.ts";
import type { PipeItem, PipeShape } from "./memory-pipe.ts";

const CAPABILITIES: LinkCapabilities = { streams: true, datagrams: true, encrypted: true, earlyData: false, ownedBuffers: true };

const MAX_DATAGRAM_BYTES = 1_200;

const MAX_OPEN_CARRIERS = 1_024;

/** One end of an in-process connection. */
export class MemoryLink implements Link {
  readonly capabilities = CAPABILITIES;
  readonly properties: LinkProperties;
  readonly maxDatagramBytes = MAX_DATAGRAM_BYTES;
  /** What goes out here. */
  readonly outgoing: MemoryPipe;
  readonly #clock: MemoryClock;
  readonly #carriers = new Map<number, MemoryCarrier>();
  readonly #seen = new Set<number>();
  #nextId: number;
  #peer: MemoryLink | undefined;
  #receiver: LinkReceiver | undefined;
  #early: PipeItem[] = [];
  #closeInfo: LinkCloseInfo | undefined;
  #isCloseTold = false;

  constructor(clock: MemoryClock, properties: LinkProperties, isClient: boolean, shape: Partial<PipeShape>) {
    this.#clock = clock;
    this.properties = properties;
    this.#nextId = isClient ? 0 : 1;
    this.outgoing = new MemoryPipe(clock, shape, {
      item: (item) => this.#peer?.arrive(item),
      batchEnd: () => this.#peer?.arriveBatchEnd(),
      left: (carrierId, bytes) => this.#carriers.get(carrierId)?.onLeft(bytes),
    });
  }

  get isClosed(): boolean {
    return this.#closeInfo !== undefined;
  }

  join(peer: MemoryLink): void {
    this.#peer = peer;
  }

  attach(receiver: LinkReceiver): void {
    if (this.#receiver !== undefined) throw new Error("a link is attached once");
    this.#receiver = receiver;
    this.#clock.schedule(0, () => {
      const early = this.#early;
      this.#early = [];
      for (const item of early) this.arrive(item);
      if (early.length > 0) this.arriveBatchEnd();
      this.#tellClose();
    });
  }

  openCarrier(): Carrier | undefined {
    if (this.isClosed || this.#carriers.size >= MAX_OPEN_CARRIERS) return undefined;
    const id = this.#nextId;
    this.#nextId += 2;
    return this.#addCarrier(id);
  }

  sendDatagram(data: Uint8Array): boolean {
    if (this.isClosed || data.length > MAX_DATAGRAM_BYTES) return false;
    this.outgoing.push("datagram", -1, data.slice());
    return true;
  }

  stats(): LinkStats {
    let bufferedBytes = 0;
    for (const carrier of this.#carriers.values()) bufferedBytes += carrier.bufferedBytes;
    return {
      rttMs: this.outgoing.shape.delayMs + (this.#peer?.outgoing.shape.delayMs ?? 0),
      congestionWindowBytes: undefined,
      maxPayloadBytes: undefined,
      packetsIn: 0,
      packetsOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      bufferedBytes,
    };
  }

  close(code: number, reason: string): void {
    if (this.isClosed) return;
    this.end({ code, reason, remote: false });
    const peer = this.#peer;
    // The news travels like everything else; into a black hole it never arrives.
    if (!this.outgoing.shape.isBlackhole)
      this.#clock.schedule(this.outgoing.shape.delayMs, () => peer?.end({ code, reason, remote: true }));
  }

  /** The connection ends here, told or untold. */
  end(info: LinkCloseInfo): void {
    if (this.isClosed) return;
    this.#closeInfo = info;
    this.outgoing.close();
    for (const carrier of this.#carriers.values()) carrier.dispose();
    this.#carriers.clear();
    this.#early = [];
    this.#clock.schedule(0, () => this.#tellClose());
  }

  arrive(item: PipeItem): void {
    if (this.isClosed) return;
    if (this.#receiver === undefined || this.#early.length > 0) this.#early.push(item);
    else this.#guarded(() => this.#dispatch(item, this.#receiver as LinkReceiver));
  }

  arriveBatchEnd(): void {
    if (!this.isClosed && this.#receiver !== undefined && this.#early.length === 0) this.#guarded(() => this.#receiver?.onBatchEnd());
  }

  resetCarrier(id: number): void {
    this.#carriers.delete(id);
    this.outgoing.drop(id);
    this.outgoing.push("reset", id);
  }

  #guarded(call: () => void): void {
    try {
      call();
    } catch {
      this.close(ErrorCode.INTERNAL_ERROR, "the receiver failed");
    }
  }

  #dispatch(item: PipeItem, receiver: LinkReceiver): void {
    if (item.kind === "datagram") {
      receiver.onDatagram(item.data);
      return;
    }
    let carrier = this.#carriers.get(item.carrierId);
    if (carrier === undefined) {
      const isPeers = item.carrierId % 2 !== this.#nextId % 2;
      if (!isPeers || this.#seen.has(item.carrierId)) return;
      this.#seen.add(item.carrierId);
      carrier = this.#addCarrier(item.carrierId);
      receiver.onCarrier(carrier);
    }
    if (item.kind === "data") {
      // A copy: what was sent still belongs to the sender.
      if (item.data.length > 0) carrier.receiver?.onData(item.data.slice());
      return;
    }
    const carrierReceiver = carrier.receiver;
    carrier.dispose();
    this.#carriers.delete(item.carrierId);
    this.outgoing.drop(item.carrierId);
    carrierReceiver?.onEnd();
  }

  #addCarrier(id: number): MemoryCarrier {
    const carrier = new MemoryCarrier(id, this);
    this.#carriers.set(id, carrier);
    return carrier;
  }

  #tellClose(): void {
    if (this.#closeInfo === undefined || this.#receiver === undefined || this.#isCloseTold) return;
    this.#isCloseTold = true;
    this.#receiver.onClose(this.#closeInfo);
  }
}

/** One carrier's end. */
class MemoryCarrier implements Carrier {
  readonly id: number;
  receiver: CarrierReceiver | undefined = undefined;
  readonly #link: MemoryLink;
  #bufferedBytes = 0;
  #isClosed = false;

  constructor(id: number, link: MemoryLink) {
    this.id = id;
    this.#link = link;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return;
    for (const part of parts) {
      if (part.length === 0) continue;
      this.#bufferedBytes += part.length;
      this.#link.outgoing.push("data", this.id, part);
    }
  }

  reset(_code: number): void {
    if (this.#isClosed) return;
    this.dispose();
    this.#link.resetCarrier(this.id);
  }

  onLeft(bytes: number): void {
    this.#bufferedBytes -= bytes;
  }

  dispose(): void {
    this.#isClosed = true;
    this.#bufferedBytes = 0;
    this.receiver = undefined;
  }
}
