import type {
  Carrier,
  CarrierReceiver,
  Link,
  LinkCloseInfo,
  LinkReceiver,
  ListenRequest,
  ServerAddress,
  Transport,
  TransportListener,
} from "@kwik/core";
import { parseAddress } from "@kwik/core";

/** What a transport under test may lack; a case that needs it is then skipped, with this reason. */
export type SuiteCapability = "datagrams" | "abrupt-death" | "independent-carriers" | "owned-buffers";

/** A transport under test. */
export interface LinkEnvironment {
  readonly transport: Transport;
  readonly capabilities: ReadonlySet<SuiteCapability>;
  readonly tls: ListenRequest["tls"];
  /** Where to listen; port 0 for any. */
  readonly address: ServerAddress;
  /** An address at which nobody listens. */
  readonly deadAddress: ServerAddress;
  /** A server in a process of its own that echoes, and a way to end it without a word. Needed for "abrupt-death". */
  startMortalServer?(): Promise<{ readonly address: ServerAddress; kill(): void }>;
}

/** A failed expectation of the suite. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Resolves after `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `condition` holds; fails with `what` after `timeoutMs`. */
export async function until(condition: () => boolean, what: string | (() => string), timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${typeof what === "string" ? what : what()}`);
    await pause(2);
  }
}

/** One end of a link, recording what it is told. Cases replace the hooks. */
export class LinkEnd implements LinkReceiver {
  readonly link: Link;
  readonly arrivals: CarrierEnd[] = [];
  readonly datagrams: Uint8Array[] = [];
  closed: LinkCloseInfo | undefined;
  closeCount = 0;
  batchEnds = 0;
  /** Calls of any kind after onClose. */
  callsAfterClose = 0;
  onArrival: (end: CarrierEnd) => void = () => undefined;

  constructor(link: Link) {
    this.link = link;
    link.attach(this);
  }

  onCarrier(carrier: Carrier): void {
    this.note();
    const end = new CarrierEnd(carrier, this);
    this.arrivals.push(end);
    this.onArrival(end);
  }

  onDatagram(data: Uint8Array): void {
    this.note();
    this.datagrams.push(data);
  }

  onClose(info: LinkCloseInfo): void {
    this.closed = info;
    this.closeCount += 1;
  }

  onBatchEnd(): void {
    this.note();
    this.batchEnds += 1;
  }

  /** Opens a carrier; fails the case if the link has none. */
  open(): CarrierEnd {
    const carrier = this.link.openCarrier();
    check(carrier !== undefined, "openCarrier answered undefined");
    return new CarrierEnd(carrier, this);
  }

  note(): void {
    if (this.closed !== undefined) this.callsAfterClose += 1;
  }
}

/** One end of a carrier, recording what it is told. */
export class CarrierEnd implements CarrierReceiver {
  readonly carrier: Carrier;
  readonly #owner: LinkEnd;
  receivedBytes = 0;
  ends = 0;
  dataAfterEnd = 0;
  dataHook: ((data: Uint8Array) => void) | undefined;
  /** Checks the bytes against a pattern, if set. */
  expected: ((offset: number) => number) | undefined;
  firstWrongAt: number | undefined;

  constructor(carrier: Carrier, owner: LinkEnd) {
    this.carrier = carrier;
    this.#owner = owner;
    carrier.receiver = this;
  }

  onData(data: Uint8Array): void {
    this.#owner.note();
    if (this.ends > 0) this.dataAfterEnd += data.length;
    const expected = this.expected;
    if (expected !== undefined && this.firstWrongAt === undefined) {
      for (let i = 0; i < data.length; i += 1) {
        if (data[i] === expected(this.receivedBytes + i)) continue;
        this.firstWrongAt = this.receivedBytes + i;
        break;
      }
    }
    this.receivedBytes += data.length;
    this.dataHook?.(data);
  }

  onEnd(): void {
    this.#owner.note();
    this.ends += 1;
  }

  send(...parts: Uint8Array[]): void {
    this.carrier.send(parts);
  }

  /** Waits for `bytes` altogether, and checks that they were right and no more. */
  async receive(bytes: number, what = "bytes"): Promise<void> {
    await until(
      () => this.receivedBytes >= bytes || this.ends > 0,
      () => `${what}: ${this.receivedBytes} of ${bytes} arrived`,
      20_000,
    );
    check(this.receivedBytes === bytes, `${what}: ${this.receivedBytes} of ${bytes} arrived, ended ${this.ends} times`);
    check(this.firstWrongAt === undefined, `${what}: wrong byte at ${this.firstWrongAt}`);
  }
}

/** A listening server and any number of links to it. */
export class LinkBench {
  readonly environment: LinkEnvironment;
  readonly notices: string[] = [];
  readonly #servers: LinkEnd[] = [];
  #listener: TransportListener | undefined;
  readonly #clients: LinkEnd[] = [];
  /** Called for each new server end. */
  onServer: (end: LinkEnd) => void = () => undefined;

  constructor(environment: LinkEnvironment) {
    this.environment = environment;
  }

  get address(): ServerAddress {
    check(this.#listener !== undefined, "not listening");
    return parseAddress(this.#listener.address);
  }

  get servers(): readonly LinkEnd[] {
    return this.#servers;
  }

  async listen(): Promise<TransportListener> {
    this.#listener ??= await this.environment.transport.listen({
      address: this.environment.address,
      tls: this.environment.tls,
      onLink: (link) => {
        const end = new LinkEnd(link);
        this.#servers.push(end);
        this.onServer(end);
      },
      onNotice: (message) => this.notices.push(message),
    });
    return this.#listener;
  }

  async dial(address?: ServerAddress): Promise<LinkEnd> {
    const link = await this.environment.transport.dial({
      address: address ?? this.address,
      trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
      identity: undefined,
      clientCertificate: undefined,
      timeoutMs: 5_000,
      signal: undefined,
    });
    const end = new LinkEnd(link);
    this.#clients.push(end);
    return end;
  }

  /** A connected pair, and a carrier between them on which one byte went over. The client speaks first, as kwik's does. */
  async pair(): Promise<{ client: LinkEnd; server: LinkEnd; up: CarrierEnd; down: CarrierEnd }> {
    await this.listen();
    const known = this.#servers.length;
    const client = await this.dial();
    const up = client.open();
    up.send(Uint8Array.of(1));
    await until(() => (this.#servers[known]?.arrivals[0]?.receivedBytes ?? 0) === 1, "the first byte of a new link");
    const server = this.#servers[known] as LinkEnd;
    const down = server.arrivals[0] as CarrierEnd;
    down.receivedBytes = 0;
    return { client, server, up, down };
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.link.close(0, "");
    await this.#listener?.close();
  }
}

/** Bytes of a pattern that shows any shift, loss or exchange; `seed` tells carriers apart. */
export function patternAt(seed: number, offset: number): number {
  return (offset ^ (offset >>> 8) ^ (offset >>> 16) ^ Math.imul(seed, 37)) & 0xff;
}

/** `length` bytes of the pattern from `offset`. */
export function pattern(seed: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) bytes[i] = patternAt(seed, offset + i);
  return bytes;
}
