import type { LinkProperties, LinkStats } from "@kwik/core";
import type { Http3Port, Http3PortReceiver, Http3Stream, Http3StreamReceiver } from "./http3-port.ts";

/** A stream of the fake port: keeps what was sent. */
export class FakeStream implements Http3Stream {
  readonly id: number;
  receiver: Http3StreamReceiver | undefined = undefined;
  readonly bufferedBytes = 0;
  sent: number[] = [];
  isFinished = false;
  resetCode: number | undefined;

  constructor(id: number) {
    this.id = id;
  }

  get text(): string {
    return Buffer.from(this.sent).toString("latin1");
  }

  send(parts: readonly Uint8Array[]): void {
    for (const part of parts) this.sent.push(...part);
  }

  finish(bytes: Uint8Array): void {
    this.send([bytes]);
    this.isFinished = true;
  }

  reset(code: number): void {
    this.resetCode ??= code;
  }
}

/** A QUIC connection without QUIC: the test plays the client. */
export class FakePort implements Http3Port {
  readonly properties: LinkProperties = {
    transport: "quic",
    remoteAddress: "192.0.2.1:1",
    localAddress: undefined,
    provenIdentity: undefined,
    clientIdentity: undefined,
  };
  readonly maxDatagramBytes = 1_000;
  readonly streams = new Map<number, FakeStream>();
  datagrams: number[][] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  receiver: Http3PortReceiver | undefined;
  #nextBidirectional = 1;
  #nextUnidirectional = 3;

  attach(receiver: Http3PortReceiver): void {
    this.receiver = receiver;
  }

  openCarrier(): FakeStream {
    this.#nextBidirectional += 4;
    return this.stream(this.#nextBidirectional - 4);
  }

  openUnidirectional(): FakeStream {
    this.#nextUnidirectional += 4;
    return this.stream(this.#nextUnidirectional - 4);
  }

  sendDatagram(data: Uint8Array): boolean {
    this.datagrams.push([...data]);
    return true;
  }

  stats(): LinkStats {
    return {
      rttMs: undefined,
      congestionWindowBytes: undefined,
      maxPayloadBytes: undefined,
      packetsIn: 0,
      packetsOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      bufferedBytes: 0,
    };
  }

  close(code: number, reason: string): void {
    this.closed ??= { code, reason };
  }

  /** A stream by its number, whoever opened it. */
  stream(id: number): FakeStream {
    const known = this.streams.get(id) ?? new FakeStream(id);
    this.streams.set(id, known);
    return known;
  }

  /** The client sends bytes on a stream, and opens it if it is new. Nothing is delivered on a connection that was closed. */
  receive(id: number, bytes: readonly number[] | Uint8Array, fin = false): FakeStream {
    const isNew = !this.streams.has(id);
    const stream = this.stream(id);
    if (this.closed !== undefined || stream.resetCode !== undefined) return stream;
    if (isNew) this.receiver?.onCarrier(stream);
    if (bytes.length > 0) stream.receiver?.onData(Uint8Array.from(bytes));
    // The callbacks above may have closed either.
    const isOver = (this.closed as unknown) !== undefined || (stream.resetCode as unknown) !== undefined;
    if (!fin || isOver) return stream;
    if (stream.receiver?.onFin === undefined) stream.receiver?.onEnd();
    else stream.receiver.onFin();
    return stream;
  }
}
