import { X509Certificate } from "node:crypto";
import {
  anyTransport,
  type ClientSession,
  type DialOptions,
  dialWith,
  type Listener,
  type ListenOptions,
  listenWith,
  type RelayOptions,
  type ServerSession,
  systemRuntime,
  type Transport,
} from "@kwik/core";
import { Gateway, Relay, type RelayEvent, type RelayOptions as ServedRelayOptions } from "@kwik/gateway";
import { firstDifference, type MemoryNetwork, memoryNetwork, patternBytes, type PipeShape } from "@kwik/testkit";
import { withRelays } from "@kwik/transport-relay";
import { tcpTransport } from "@kwik/transport-tcp";
import { identityOf } from "@kwik/trust";
import { selfSigned } from "../compliance/tls-material.ts";

const identityOfCertificate = (cert: string): string => identityOf(new X509Certificate(cert));

/** A home of a test. */
export interface TestHome {
  readonly listener: Listener;
  /** "127.0.0.1:port": in memory for a client, and over TCP for relays. */
  readonly address: string;
  readonly identity: string;
  next(): Promise<ServerSession>;
}

/** A relay of a test, with the line to it. */
export interface TestRelay {
  readonly relay: Relay;
  readonly listener: Listener;
  readonly network: MemoryNetwork;
  readonly events: RelayEvent[];
  readonly sessions: ServerSession[];
  /** What to give to `dial`. */
  readonly options: RelayOptions;
}

/**
 * Homes, relays and clients in this process. Lines to homes and to relays are in memory, and may have a shape; from relays to homes it is TCP on the loopback, as it
 * always is.
 */
export class RelayBench implements AsyncDisposable {
  readonly line: MemoryNetwork;
  readonly #relays = new Map<string, MemoryNetwork>();
  readonly #closers: (() => unknown)[] = [];
  readonly transport: Transport;
  #relayCount = 0;

  constructor(shape: Partial<PipeShape> = {}) {
    this.line = memoryNetwork({ shape, identityOf: identityOfCertificate });
    this.transport = withRelays(this.line.transport, (target, options) => {
      const network = this.#relays.get(target);
      if (network === undefined) throw new Error(`there is no relay ${target}`);
      return dialWith({ transport: network.transport, runtime: systemRuntime, agent: "test" }, target, options);
    });
  }

  async home(options: Partial<ListenOptions> = {}): Promise<TestHome> {
    const tls = await selfSigned();
    const listener = await listenWith(
      {
        transport: anyTransport([tcpTransport(), this.line.transport]),
        runtime: systemRuntime,
        agent: "test",
        tls,
        identity: tls.identity,
        authority: undefined,
      },
      "127.0.0.1:0",
      { tls: "self-signed", ...options },
    );
    this.#closers.push(() => listener.close());
    return { listener, address: listener.address, identity: tls.identity, next: () => listener.accept() };
  }

  /** A relay for `homes`; `shape` is that of the line to it. */
  async relay(
    homes: readonly TestHome[],
    options: ServedRelayOptions = {},
    shape: Partial<PipeShape> = {},
    listen: Partial<ListenOptions> = {},
  ): Promise<TestRelay> {
    this.#relayCount += 1;
    const tls = await selfSigned();
    const network = memoryNetwork({ shape, identityOf: identityOfCertificate });
    const listener = await listenWith(
      { transport: network.transport, runtime: systemRuntime, agent: "test", tls, identity: tls.identity, authority: undefined },
      `relay${this.#relayCount}:4433`,
      { tls: "self-signed", ...listen },
    );
    const events: RelayEvent[] = [];
    const sessions: ServerSession[] = [];
    const relay = new Relay({ homes: homes.map((home) => home.address), onEvent: (event) => events.push(event), ...options });
    const gateway = new Gateway({ relay });
    void (async () => {
      for await (const session of listener) {
        sessions.push(session);
        void gateway.serve(session, { name: session.clientIdentity ?? "client", source: undefined });
      }
    })();
    this.#relays.set(listener.url, network);
    this.#closers.push(() => listener.close());
    return { relay, listener, network, events, sessions, options: { address: listener.url, trust: { pins: [tls.identity] } } };
  }

  async dial(home: TestHome, options: DialOptions = {}): Promise<ClientSession> {
    const session = await dialWith({ transport: this.transport, runtime: systemRuntime, agent: "test" }, `kwik://${home.address}`, {
      trust: { pins: [home.identity] },
      ...options,
    });
    this.#closers.push(() => session.close());
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }
}

/** Sends `bytes` of the pattern over a stream from one side to the other, and compares every byte; `onPiece` is told how many have come. */
export async function transfer(
  from: ClientSession | ServerSession,
  to: ClientSession | ServerSession,
  bytes: number,
  onPiece: (received: number) => void = () => undefined,
): Promise<void> {
  const blockBytes = 50_000;
  const stream = await from.openUniStreamSync();
  const writing = (async () => {
    for (let at = 0; at < bytes; at += blockBytes) await stream.write(patternBytes(1, at, Math.min(blockBytes, bytes - at)));
    await stream.close();
  })();
  let at = 0;
  for await (const data of await to.acceptUniStream()) {
    const wrong = firstDifference(1, at, data);
    if (wrong !== undefined) throw new Error(`a wrong byte at ${wrong}`);
    at += data.length;
    onPiece(at);
  }
  await writing;
  if (at !== bytes) throw new Error(`${at} of ${bytes} bytes came`);
}
