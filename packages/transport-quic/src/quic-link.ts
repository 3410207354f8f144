import { ErrorCode } from "@kwik/core";
import type { Link, LinkCapabilities, LinkCloseInfo, LinkProperties, LinkReceiver, LinkStats } from "@kwik/core";
import type { Http3Port } from "@kwik/transport-webtransport";
import { EventType } from "./engine/binding.ts";
import type { NativeEvent } from "./engine/binding.ts";
import type { EngineConnection } from "./engine/connection.ts";
import { MAX_OPEN_CARRIERS } from "./engine/options.ts";
import { QuicCarrier } from "./quic-carrier.ts";
import { SeenStreams } from "./seen-streams.ts";
import type { WriteTurns } from "./write-turns.ts";

const CAPABILITIES: LinkCapabilities = { streams: true, datagrams: true, encrypted: true, earlyData: false, ownedBuffers: true };

/** What a datagram costs of a packet: short header, frame header, authentication tag. */
const DATAGRAM_OVERHEAD_BYTES = 44;

/** How long the largest datagram stays as measured, in milliseconds. */
const DATAGRAM_SIZE_AGE_MS = 1_000;

/**
 * One QUIC connection behind the Link port, or behind that of HTTP/3, whose streams beyond carriers it then has. Fed with the engine's
 * events by `handle` and `endBatch`.
 */
export class QuicLink implements Link, Http3Port {
  readonly capabilities = CAPABILITIES;
  readonly properties: LinkProperties;
  readonly #engine: EngineConnection;
  readonly #turns: WriteTurns;
  readonly #isClient: boolean;
  readonly #carriers = new Map<number, QuicCarrier>();
  readonly #seen = new SeenStreams();
  /** The peer's unidirectional streams; undefined where there are none, as in kwik's own protocol. */
  #seenUnidirectional: SeenStreams | undefined;
  #openedUnidirectional = 0;
  /** Events that came before `attach`. */
  #early: NativeEvent[] = [];
  #receiver: LinkReceiver | undefined;
  #closeInfo: LinkCloseInfo | undefined;
  #openedHere = 0;
  #maxDatagramBytes = 0;
  #maxDatagramKnownAt = Number.NEGATIVE_INFINITY;
  readonly #onCarrierGone = (carrier: QuicCarrier): void => {
    if (this.#carriers.delete(carrier.id) && carrier.id % 4 === (this.#isClient ? 0 : 1)) this.#openedHere -= 1;
  };

  constructor(engine: EngineConnection, turns: WriteTurns, isClient: boolean, properties: LinkProperties) {
    this.#engine = engine;
    this.#turns = turns;
    this.#isClient = isClient;
    this.properties = properties;
  }

  get isAttached(): boolean {
    return this.#receiver !== undefined;
  }

  get isClosed(): boolean {
    return this.#closeInfo !== undefined;
  }

  attach(receiver: LinkReceiver): void {
    if (this.#receiver !== undefined) throw new Error("a link is attached once");
    this.#receiver = receiver;
    if (this.#early.length > 0) setImmediate(() => this.#deliverEarly());
  }

  /** Lets the peer open unidirectional streams, which are carriers then; before that they are ignored. */
  admitUnidirectional(): void {
    this.#seenUnidirectional = new SeenStreams();
  }

  openUnidirectional(): QuicCarrier | undefined {
    if (this.isClosed) return undefined;
    const id = this.#openedUnidirectional * 4 + (this.#isClient ? 2 : 3);
    this.#openedUnidirectional += 1;
    return this.#addCarrier(id);
  }

  openCarrier(): QuicCarrier | undefined {
    if (this.isClosed || this.#openedHere >= MAX_OPEN_CARRIERS) return undefined;
    const id = this.#engine.openStream();
    if (id === undefined) return undefined;
    this.#openedHere += 1;
    return this.#addCarrier(id);
  }

  get maxDatagramBytes(): number {
    if (this.isClosed) return 0;
    const now = performance.now();
    if (now - this.#maxDatagramKnownAt > DATAGRAM_SIZE_AGE_MS) {
      this.#maxDatagramKnownAt = now;
      this.#maxDatagramBytes = Math.max(0, (this.#engine.metrics()?.pmtu ?? 0) - DATAGRAM_OVERHEAD_BYTES);
    }
    return this.#maxDatagramBytes;
  }

  sendDatagram(data: Uint8Array): boolean {
    return data.length <= this.maxDatagramBytes && this.#engine.sendDatagram(data);
  }

  stats(): LinkStats {
    const metrics = this.isClosed ? undefined : this.#engine.metrics();
    let bufferedBytes = 0;
    for (const carrier of this.#carriers.values()) bufferedBytes += carrier.bufferedBytes;
    return {
      rttMs: metrics?.rttMs,
      congestionWindowBytes: metrics?.cwnd,
      maxPayloadBytes: metrics?.pmtu,
      packetsIn: metrics?.packetsIn ?? 0,
      packetsOut: metrics?.packetsOut ?? 0,
      bytesIn: metrics?.bytesIn ?? 0,
      bytesOut: metrics?.bytesOut ?? 0,
      bufferedBytes,
    };
  }

  close(code: number, reason: string): void {
    if (this.isClosed) return;
    const info = { code, reason, remote: false };
    this.#end(info);
    this.#engine.close(code, reason);
    setImmediate(() => this.#receiver?.onClose(info));
  }

  /** One event of this connection. Throws what a receiver throws. */
  handle(event: NativeEvent): void {
    if (this.isClosed) return;
    if (this.#receiver === undefined || this.#early.length > 0) {
      this.#early.push(event);
      return;
    }
    this.#dispatch(event, this.#receiver);
  }

  /** All events of one batch were handed over. */
  endBatch(): void {
    if (!this.isClosed && this.#early.length === 0) this.#receiver?.onBatchEnd();
  }

  /** Ends the link because code above it failed. */
  fail(reason: string): void {
    this.close(ErrorCode.INTERNAL_ERROR, reason);
  }

  #deliverEarly(): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    try {
      // Others may come while these are handed over; they queue behind.
      for (let i = 0; i < this.#early.length && !this.isClosed; i += 1) this.#dispatch(this.#early[i] as NativeEvent, receiver);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
    this.#early = [];
    this.endBatch();
  }

  #dispatch(event: NativeEvent, receiver: LinkReceiver): void {
    switch (event.eventType) {
      case EventType.data:
        this.#onData(this.#carriers.get(event.streamId), event);
        return;
      case EventType.stream:
        this.#onStream(event, receiver);
        return;
      case EventType.drain:
        this.#carriers.get(event.streamId)?.onDrain();
        return;
      case EventType.blocked:
        this.#carriers.get(event.streamId)?.onBlocked();
        return;
      case EventType.finished:
        this.#carriers.get(event.streamId)?.endOfInput();
        return;
      case EventType.reset:
      case EventType.error:
        this.#onBroken(event);
        return;
      case EventType.datagram:
        if (event.data !== undefined) receiver.onDatagram(event.data);
        return;
      case EventType.close:
        this.#onClose(event, receiver);
        return;
      default:
    }
  }

  #onStream(event: NativeEvent, receiver: LinkReceiver): void {
    const known = this.#carriers.get(event.streamId);
    if (known !== undefined) {
      this.#onData(known, event);
      return;
    }
    if (!this.#isNew(event.streamId)) return;
    const carrier = this.#addCarrier(event.streamId);
    receiver.onCarrier(carrier);
    this.#onData(carrier, event);
  }

  #onData(carrier: QuicCarrier | undefined, event: NativeEvent): void {
    // Data of a stream that is not known any more was on its way when the stream was reset.
    if (carrier === undefined) return;
    if (event.data !== undefined) carrier.deliver(event.data);
    if (event.fin === true) carrier.endOfInput();
  }

  #onBroken(event: NativeEvent): void {
    if (event.streamId < 0) return;
    const carrier = this.#carriers.get(event.streamId);
    if (carrier !== undefined) carrier.end();
    // Late errors repeat in every turn of the engine until the stream is closed there.
    else this.#engine.resetStream(event.streamId, 0);
  }

  #onClose(event: NativeEvent, receiver: LinkReceiver): void {
    const code = event.meta?.errorCode ?? 0;
    const reason = event.meta?.errorReason ?? "";
    const info: LinkCloseInfo =
      code === 0 && reason === "idle timeout"
        ? { code: ErrorCode.LINK_LOST, reason: "nothing was heard from the other side for 10 s", remote: false }
        : { code, reason, remote: true };
    this.#end(info);
    receiver.onClose(info);
  }

  #end(info: LinkCloseInfo): void {
    this.#closeInfo = info;
    for (const carrier of this.#carriers.values()) carrier.dispose();
    this.#carriers.clear();
  }

  #addCarrier(id: number): QuicCarrier {
    const carrier = new QuicCarrier(id, this.#engine, this.#turns, this.#onCarrierGone);
    this.#carriers.set(id, carrier);
    return carrier;
  }

  /** Whether this is a stream of the peer that was not seen before. */
  #isNew(id: number): boolean {
    const kind = id % 4;
    if (kind === (this.#isClient ? 1 : 0)) return this.#seen.add(id >> 2);
    return kind === (this.#isClient ? 3 : 2) && this.#seenUnidirectional?.add(id >> 2) === true;
  }
}
