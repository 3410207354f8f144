// HTTP/3 from Node, for tests alone: written without the server's code, so that both cannot be wrong in the same way. It dials with kwik's
// own transport, whose ALPN says "kwik/1": the server looks at the first bytes and not at that.
import type { Carrier, CarrierReceiver, DialRequest, Link, LinkReceiver, ListenRequest, Transport, TransportListener } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import type { Http3Port, Http3Stream } from "@kwik/transport-webtransport";

/** What a dialled link of the QUIC transport can do beside being a link. */
export type QuicConnection = Omit<Link, "attach" | "openCarrier"> & Http3Port & { admitUnidirectional(): void };

export function varint(value: number): number[] {
  if (value < 0x40) return [value];
  if (value < 0x4000) return [0x40 | (value >> 8), value & 0xff];
  const low = [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
  return value < 0x4000_0000 ? [0x80 | (low[0] as number), ...low.slice(1)] : [0xc0, 0, 0, 0, ...low];
}

export function record(type: number, value: readonly number[]): number[] {
  return [...varint(type), ...varint(value.length), ...value];
}

/** Fields of a request as literals without any table. Names and values below 127 characters. */
export function fieldSection(fields: Readonly<Record<string, string>>): number[] {
  const bytes = [0, 0];
  for (const [name, value] of Object.entries(fields)) {
    if (name.length < 7) bytes.push(0x20 | name.length);
    else bytes.push(0x27, name.length - 7);
    bytes.push(...Buffer.from(name), value.length, ...Buffer.from(value));
  }
  return bytes;
}

export const CLIENT_SETTINGS = record(0x04, [...varint(0x33), 1, ...varint(0x2b603742), 1]);

export const SESSION_FIELDS = {
  ":method": "CONNECT",
  ":protocol": "webtransport",
  ":scheme": "https",
  ":authority": "localhost",
  ":path": "/kwik",
};

/** Connects without a word. */
export async function connectHttp3(request: Pick<DialRequest, "address"> & Partial<DialRequest>): Promise<QuicConnection> {
  const link = (await quicTransport().dial({
    trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
    identity: undefined,
    clientCertificate: undefined,
    timeoutMs: 5_000,
    signal: undefined,
    ...request,
  })) as unknown as QuicConnection;
  link.admitUnidirectional();
  return link;
}

/** The transport under test in the suite of every link: WebTransport on the server, this client against it. */
export function nodeWebTransport(): Transport {
  const quic = quicTransport();
  return {
    name: "webtransport",
    listen: (request: ListenRequest): Promise<TransportListener> => quic.listen({ ...request, web: {} }),
    dial: async (request) => new SessionLink(await connectHttp3(request)).ready,
  };
}

/** A session of this client behind the Link port. Ready once the server has accepted. */
class SessionLink implements Link {
  readonly ready: Promise<Link>;
  readonly capabilities;
  readonly properties;
  readonly #quic: QuicConnection;
  readonly #request: Http3Stream;
  #receiver: LinkReceiver | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  readonly #carriers = new Set<Carrier>();
  #isClosed = false;
  #sessionBytes = Buffer.alloc(0);

  constructor(quic: QuicConnection) {
    this.#quic = quic;
    this.capabilities = quic.capabilities;
    this.properties = { ...quic.properties, transport: "webtransport" };
    let accepted: (link: Link) => void = () => undefined;
    let refused: (error: Error) => void = () => undefined;
    this.ready = new Promise((resolve, reject) => {
      accepted = resolve;
      refused = reject;
    });
    // Nobody waits for it if the connection is over before the session can be asked for.
    this.ready.catch(() => undefined);
    quic.attach({
      onCarrier: (stream: Http3Stream) => this.#onStream(stream),
      onDatagram: (data) => {
        if (!this.#isClosed) this.#receiver?.onDatagram(data.subarray(1));
      },
      onClose: (info) => {
        clearTimeout(this.#closeTimer);
        this.#end(info.remote && info.code === 0x100 ? { ...info, code: 0 } : info);
        refused(new Error(info.reason));
      },
      onBatchEnd: () => {
        if (!this.#isClosed) this.#receiver?.onBatchEnd();
      },
    });
    (quic.openUnidirectional() as Http3Stream).send([Uint8Array.of(0, ...CLIENT_SETTINGS)]);
    this.#request = quic.openCarrier() as Http3Stream;
    this.#request.receiver = {
      onData: (data) => {
        this.#sessionBytes = Buffer.concat([this.#sessionBytes, data]);
        accepted(this);
        this.#onSessionBytes();
      },
      onEnd: () => undefined,
      onFin: () => this.#quic.close(0x100, ""),
    };
    this.#request.send([Uint8Array.from(record(0x01, fieldSection(SESSION_FIELDS)))]);
  }

  attach(receiver: LinkReceiver): void {
    this.#receiver = receiver;
  }

  openCarrier(): Carrier | undefined {
    if (this.#isClosed) return undefined;
    const stream = this.#quic.openCarrier();
    return stream === undefined ? undefined : this.#addCarrier(stream, Uint8Array.of(0x40, 0x41, 0));
  }

  get maxDatagramBytes(): number {
    return this.#isClosed ? 0 : Math.max(0, this.#quic.maxDatagramBytes - 1);
  }

  sendDatagram(data: Uint8Array): boolean {
    return !this.#isClosed && this.#quic.sendDatagram(Buffer.concat([Uint8Array.of(0), data]));
  }

  stats(): ReturnType<Link["stats"]> {
    return this.#quic.stats();
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    const capsule = [(code >>> 24) & 0xff, (code >>> 16) & 0xff, (code >>> 8) & 0xff, code & 0xff, ...Buffer.from(reason)];
    this.#request.finish(Uint8Array.from(record(0x00, record(0x2843, capsule))));
    this.#markClosed();
    this.#closeTimer = setTimeout(() => this.#quic.close(0x100, ""), 500);
    setImmediate(() => this.#receiver?.onClose({ code, reason, remote: false }));
  }

  /** Looks for the close capsule, in its frame, behind the answer. */
  #onSessionBytes(): void {
    const at = this.#sessionBytes.indexOf(Uint8Array.of(0x68, 0x43));
    if (at < 0) return;
    const body = this.#sessionBytes.subarray(at + 2);
    const head = (body[0] as number) < 0x40 ? 1 : 2;
    const length = head === 1 ? (body[0] as number) : body.readUInt16BE(0) & 0x3fff;
    if (body.length < head + length) return;
    this.#end({ code: body.readUInt32BE(head), reason: body.toString("utf8", head + 4, head + length), remote: true });
  }

  #end(info: Parameters<LinkReceiver["onClose"]>[0]): void {
    if (this.#isClosed) return;
    this.#markClosed();
    this.#receiver?.onClose(info);
    this.#quic.close(0x100, "");
  }

  #markClosed(): void {
    this.#isClosed = true;
    for (const carrier of this.#carriers) carrier.reset(0);
    this.#carriers.clear();
  }

  #addCarrier(stream: Http3Stream, head: Uint8Array | undefined): Carrier {
    const carrier = withHead(stream, head);
    this.#carriers.add(carrier);
    return carrier;
  }

  #onStream(stream: Http3Stream): void {
    if ((stream.id & 2) !== 0) {
      stream.receiver = { onData: () => undefined, onEnd: () => undefined };
      return;
    }
    let head = Buffer.alloc(0);
    stream.receiver = {
      onData: (data) => {
        head = Buffer.concat([head, data]);
        if (head.length < 3) return;
        if (head[0] !== 0x40 || head[1] !== 0x41 || head[2] !== 0) throw new Error("the server opened a stream with a wrong head");
        if (this.#isClosed) return;
        const carrier = this.#addCarrier(stream, undefined);
        this.#receiver?.onCarrier(carrier);
        if (head.length > 3) stream.receiver?.onData(head.subarray(3));
      },
      onEnd: () => undefined,
    };
  }
}

/** A stream as a carrier that hides the session from whoever uses it. */
function withHead(stream: Http3Stream, head: Uint8Array | undefined): Carrier {
  let pending = head;
  let isOver = false;
  const carrier: Carrier = {
    id: stream.id,
    receiver: undefined as CarrierReceiver | undefined,
    get bufferedBytes() {
      return stream.bufferedBytes;
    },
    send: (parts) => {
      const first = pending;
      if (first !== undefined && parts.every((part) => part.length === 0)) return;
      pending = undefined;
      stream.send(first === undefined ? parts : [first, ...parts]);
    },
    reset: (code) => {
      isOver = true;
      stream.reset(code);
    },
  };
  stream.receiver = {
    onData: (data) => {
      if (!isOver) carrier.receiver?.onData(data);
    },
    onEnd: () => carrier.receiver?.onEnd(),
  };
  return carrier;
}
