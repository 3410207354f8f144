import type { Carrier, Link, Transport } from "@kwik/core";
import {
  CarrierKind,
  type ControlBody,
  ControlDecoder,
  encodeEnvelope,
  encodePreamble,
  type Envelope,
  envelopeOf,
  EVERY_MESSAGE,
} from "@kwik/proto";

/** What a client gives in its hello. */
export const CREDIT = {
  streamWindowBytes: 300_000n,
  sessionWindowBytes: 2_000_000n,
  maxBidirectionalStreams: 100,
  maxUnidirectionalStreams: 100,
};

/** A client that keeps to no rule: a bare link to a server, over any transport. */
export class RawLink {
  readonly link: Link;
  readonly envelopes: Envelope[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** The same when it happens. */
  readonly whenClosed: Promise<{ readonly code: number; readonly reason: string }>;
  #control: Carrier | undefined;

  constructor(link: Link) {
    this.link = link;
    this.whenClosed = new Promise((resolve) => {
      link.attach({
        onCarrier: (carrier) => {
          carrier.receiver = { onData: () => undefined, onEnd: () => undefined };
        },
        onDatagram: () => undefined,
        onClose: (info) => {
          this.closed = info;
          resolve(info);
        },
        onBatchEnd: () => undefined,
      });
    });
  }

  /** At "host:port", whoever that is, with its control carrier begun. */
  static async to(transport: Transport, address: string): Promise<RawLink> {
    const raw = await RawLink.silent(transport, address);
    raw.beginControl();
    return raw;
  }

  /** The same that sends nothing by itself. */
  static async silent(transport: Transport, address: string): Promise<RawLink> {
    const [host, port] = address.split(":") as [string, string];
    const link = await transport.dial({
      address: { host, port: Number(port) },
      trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
      identity: undefined,
      clientCertificate: undefined,
      timeoutMs: 10_000,
      signal: undefined,
    });
    return new RawLink(link);
  }

  open(): Carrier {
    const carrier = this.link.openCarrier();
    if (carrier === undefined) throw new Error("no carrier");
    return carrier;
  }

  beginControl(): void {
    const decoder = new ControlDecoder({ maxControlMessageBytes: 1_000_000 }, EVERY_MESSAGE);
    this.#control = this.open();
    this.#control.receiver = {
      onData: (data) => {
        decoder.push(data);
        for (let next = decoder.poll(); next !== undefined; next = decoder.poll()) this.envelopes.push(next);
      },
      onEnd: () => undefined,
    };
    this.#control.send([encodePreamble(CarrierKind.control)]);
  }

  say(message: ControlBody): void {
    this.#control?.send([encodeEnvelope(EVERY_MESSAGE, envelopeOf(message))]);
  }

  async answer(kind: ControlBody["case"]): Promise<{ readonly code?: number; readonly sessionId?: Uint8Array }> {
    const end = performance.now() + 30_000;
    for (;;) {
      const found = this.envelopes.find((envelope) => envelope.body.case === kind);
      if (found !== undefined) return found.body.value as { readonly code?: number };
      if (performance.now() > end) throw new Error(`no ${kind} came`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
