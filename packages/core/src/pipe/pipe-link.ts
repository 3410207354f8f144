import {
  type Arrival,
  type CarrierId,
  ErrorCode,
  failure,
  MAX_PIPE_DATAGRAM_BYTES,
  PipeDecoder,
  type PipeSink,
  type ProtocolFailure,
} from "@kwik/proto";
import type { Carrier, Link, LinkCapabilities, LinkCloseInfo, LinkProperties, LinkReceiver, LinkStats } from "../transport/link.ts";
import { afterInput } from "./after-input.ts";
import type { BytePipe, BytePipeReceiver } from "./byte-pipe.ts";
import { PipeCarrier, type PipeCarrierOwner } from "./pipe-carrier.ts";
import { PipeWriter } from "./pipe-writer.ts";

/** Carriers that one side may have open. spec: PIPE-3 */
const MAX_OPEN_CARRIERS = 1024;

/** Bytes that are kept until somebody attaches, at most. Whoever dials speaks first, so an honest peer has sent little. */
const MAX_EARLY_BYTES = 64 * 1024;

/** The Link port over one pipe: its carriers take turns. Made in the turn in which the pipe was handed over. docs/protocol/pipe.md */
export class PipeLink implements Link, BytePipeReceiver, PipeSink, PipeCarrierOwner {
  readonly capabilities: LinkCapabilities;
  readonly #pipe: BytePipe;
  readonly #writer: PipeWriter;
  readonly #decoder = new PipeDecoder(this);
  readonly #carriers = new Map<CarrierId, PipeCarrier>();
  /** The numbers that each side uses next. spec: PIPE-3 */
  #nextOwn: CarrierId;
  #nextPeers: CarrierId;
  #ownOpen = 0;
  #peersOpen = 0;
  #receiver: LinkReceiver | undefined;
  /** What came before `attach`. */
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #earlyEnd: string | undefined;
  #isClosed = false;
  #isBatchOpen = false;
  /** The memory of what is being decoded, if it can be given back. */
  #arrival: Arrival | undefined;
  /** It was closed before anybody attached. */
  #closedUnseen: LinkCloseInfo | undefined;

  constructor(pipe: BytePipe, side: "client" | "server") {
    this.#pipe = pipe;
    this.#writer = new PipeWriter(pipe);
    this.#nextOwn = side === "client" ? 0 : 1;
    this.#nextPeers = 1 - this.#nextOwn;
    this.capabilities = { streams: false, datagrams: true, encrypted: pipe.encrypted, earlyData: false, ownedBuffers: false };
    pipe.receiver = this;
  }

  get isAttached(): boolean {
    return this.#receiver !== undefined;
  }

  get properties(): LinkProperties {
    return this.#pipe.properties;
  }

  // Link ------------------------------------------------------------------------------------------------------------------

  attach(receiver: LinkReceiver): void {
    if (this.#receiver !== undefined) throw new Error("a link is attached once");
    this.#receiver = receiver;
    const closed = this.#closedUnseen;
    if (closed !== undefined) queueMicrotask(() => receiver.onClose(closed));
    if (this.#early.length > 0 || this.#earlyEnd !== undefined) queueMicrotask(() => this.#deliverEarly());
  }

  openCarrier(): Carrier | undefined {
    if (this.#isClosed || this.#ownOpen >= MAX_OPEN_CARRIERS || !this.#writer.hasRoom) return undefined;
    const carrier = new PipeCarrier(this.#nextOwn, this);
    this.#nextOwn += 2;
    this.#ownOpen += 1;
    this.#carriers.set(carrier.id, carrier);
    this.#writer.open(carrier.id);
    return carrier;
  }

  get maxDatagramBytes(): number {
    return this.#isClosed ? 0 : MAX_PIPE_DATAGRAM_BYTES;
  }

  sendDatagram(data: Uint8Array): boolean {
    return data.length <= this.maxDatagramBytes && this.#writer.datagram(data);
  }

  stats(): LinkStats {
    const { rttMs, bytesIn, bytesOut } = this.#pipe.stats();
    let bufferedBytes = this.#pipe.bufferedBytes + this.#writer.urgentBytes;
    for (const carrier of this.#carriers.values()) bufferedBytes += carrier.bufferedBytes;
    return {
      rttMs,
      congestionWindowBytes: undefined,
      maxPayloadBytes: undefined,
      packetsIn: 0,
      packetsOut: 0,
      bytesIn,
      bytesOut,
      bufferedBytes,
    };
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#writer.close(code, reason);
    this.#forget();
    const info: LinkCloseInfo = { code, reason, remote: false };
    if (this.#receiver === undefined) this.#closedUnseen = info;
    else queueMicrotask(() => this.#receiver?.onClose(info));
  }

  // BytePipeReceiver ------------------------------------------------------------------------------------------------------

  onData(data: Uint8Array, arrival?: Arrival): void {
    if (this.#isClosed) return;
    if (this.#receiver === undefined || this.#early.length > 0) {
      arrival?.leave();
      this.#early.push(data);
      this.#earlyBytes += data.length;
      if (this.#earlyBytes > MAX_EARLY_BYTES)
        this.close(ErrorCode.TOO_LARGE, `more than ${MAX_EARLY_BYTES} bytes before the link was used`);
      return;
    }
    this.#arrival = arrival;
    this.#take(data, this.#receiver);
    this.#arrival = undefined;
  }

  onBatchEnd(): void {
    if (!this.#isClosed && this.#early.length === 0) this.#receiver?.onBatchEnd();
  }

  onDrain(): void {
    this.#writer.fill();
  }

  onEnd(reason: string): void {
    if (this.#isClosed) return;
    if (this.#receiver === undefined || this.#early.length > 0) {
      this.#earlyEnd = reason;
      return;
    }
    this.#ended({ code: ErrorCode.LINK_LOST, reason: reason === "" ? "the connection ended" : reason, remote: true });
  }

  // PipeSink --------------------------------------------------------------------------------------------------------------

  pipeData(id: CarrierId, data: Uint8Array): ProtocolFailure | undefined {
    if (this.#isClosed) return undefined;
    const carrier = this.#carriers.get(id) ?? this.#admit(id);
    if (carrier === undefined) return undefined;
    if ("reason" in carrier) return carrier;
    carrier.deliver(data, this.#arrival);
    return undefined;
  }

  pipeReset(id: CarrierId): ProtocolFailure | undefined {
    const carrier = this.#carriers.get(id);
    if (carrier !== undefined) {
      this.#remove(carrier);
      this.#writer.forget(carrier);
      carrier.end();
      return undefined;
    }
    const isUsed = id < (this.#isOwn(id) ? this.#nextOwn : this.#nextPeers);
    return isUsed ? undefined : failure(ErrorCode.PROTOCOL_VIOLATION, `a reset of carrier ${id}, which was never opened`);
  }

  pipeDatagram(data: Uint8Array): undefined {
    if (!this.#isClosed) this.#receiver?.onDatagram(data);
  }

  pipeClose(code: number, reason: string): undefined {
    this.#pipe.end();
    this.#ended({ code, reason, remote: true });
  }

  // PipeCarrierOwner ------------------------------------------------------------------------------------------------------

  wants(carrier: PipeCarrier): void {
    this.#writer.add(carrier);
  }

  resets(carrier: PipeCarrier, code: number): void {
    this.#remove(carrier);
    this.#writer.reset(carrier, code);
  }

  #admit(id: CarrierId): PipeCarrier | ProtocolFailure | undefined {
    // What was under way for a carrier that is over. spec: PIPE-4
    if (id < (this.#isOwn(id) ? this.#nextOwn : this.#nextPeers)) return undefined;
    if (this.#isOwn(id) || id !== this.#nextPeers) return failure(ErrorCode.PROTOCOL_VIOLATION, `carrier ${id} out of order`);
    if (this.#peersOpen >= MAX_OPEN_CARRIERS) return failure(ErrorCode.LIMIT_REACHED, `more than ${MAX_OPEN_CARRIERS} carriers`);
    this.#nextPeers += 2;
    this.#peersOpen += 1;
    const carrier = new PipeCarrier(id, this);
    this.#carriers.set(id, carrier);
    this.#receiver?.onCarrier(carrier);
    return carrier;
  }

  #isOwn(id: CarrierId): boolean {
    return id % 2 === this.#nextOwn % 2;
  }

  #remove(carrier: PipeCarrier): void {
    if (!this.#carriers.delete(carrier.id)) return;
    if (this.#isOwn(carrier.id)) this.#ownOpen -= 1;
    else this.#peersOpen -= 1;
  }

  /** Takes bytes in; what the other side did wrong, and what the receiver throws, ends the link. */
  #take(data: Uint8Array, receiver: LinkReceiver): void {
    let problem: ProtocolFailure | undefined;
    try {
      problem = this.#decoder.push(data);
      if (problem === undefined && this.#pipe.tellsBatches !== true) this.#endBatchLater(receiver);
    } catch (error) {
      problem = failure(ErrorCode.INTERNAL_ERROR, error instanceof Error ? error.message : String(error));
    }
    if (problem !== undefined) this.close(problem.code, problem.reason);
  }

  /** A pipe brings its bytes in many small pieces: those of one turn of the event loop are one batch, with one acknowledgement. */
  #endBatchLater(receiver: LinkReceiver): void {
    if (this.#isBatchOpen) return;
    this.#isBatchOpen = true;
    afterInput(() => {
      this.#isBatchOpen = false;
      if (!this.#isClosed) receiver.onBatchEnd();
    });
  }

  #deliverEarly(): void {
    const early = this.#early;
    const receiver = this.#receiver;
    this.#early = [];
    if (receiver === undefined) return;
    for (const data of early) if (!this.#isClosed) this.#take(data, receiver);
    if (!this.#isClosed) this.#endBatchLater(receiver);
    if (this.#earlyEnd !== undefined) this.onEnd(this.#earlyEnd);
  }

  #ended(info: LinkCloseInfo): void {
    if (this.#isClosed) return;
    this.#writer.dispose();
    this.#forget();
    this.#receiver?.onClose(info);
  }

  #forget(): void {
    this.#isClosed = true;
    this.#early = [];
    for (const carrier of this.#carriers.values()) carrier.dispose();
    this.#carriers.clear();
  }
}
