import { X509Certificate } from "node:crypto";
import {
  anyTransport,
  type ClientSession,
  type DialOptions,
  dialWith,
  formatAddress,
  type JoinAuthority,
  type Listener,
  type ListenOptions,
  listenWith,
  parseAddress,
  type RelayOptions,
  type ServerSession,
  systemRuntime,
  type Transport,
} from "@kwik/core";
import { Gateway, Relay, type RelayEvent, type RelayServerOptions } from "@kwik/gateway";
import { firstDifference, type MemoryNetwork, memoryNetwork, patternBytes, type PipeShape } from "@kwik/testkit";
import { withRelays } from "@kwik/transport-relay";
import { tcpTransport } from "@kwik/transport-tcp";
import { identityOf } from "@kwik/trust";
import { selfSigned, type ServerMaterial } from "../compliance/tls-material.ts";

const identityOfCertificate = (cert: string): string => identityOf(new X509Certificate(cert));

/** A home of a test. */
export interface TestHome {
  readonly listener: Listener;
  /** "host:port": in memory for a client, and over TCP for relays. */
  readonly address: string;
  readonly identity: string;
  next(): Promise<ServerSession>;
}

/** A server of a test that a client takes for a relay, with the line to it. */
export interface TestRelayServer {
  readonly listener: Listener;
  readonly network: MemoryNetwork;
  readonly sessions: ServerSession[];
  /** What to give to `dial`. */
  readonly options: RelayOptions;
}

/** One that is a relay. */
export interface TestRelay extends TestRelayServer {
  readonly relay: Relay;
  readonly events: RelayEvent[];
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
  /** What relays that are made from now on give a client for its request. */
  requestTimeoutMs = 10_000;
  #relayCount = 0;

  /** `identityOf` is what a direct connection proves of a server's key; by default all of it. */
  constructor(shape: Partial<PipeShape> = {}, identityOf: (cert: string) => string | undefined = identityOfCertificate) {
    this.line = memoryNetwork({ shape, identityOf });
    this.transport = withRelays(this.line.transport, (target, options) => {
      const network = this.#relays.get(target);
      if (network === undefined) throw new Error(`there is no relay ${target}`);
      return dialWith({ transport: network.transport, runtime: systemRuntime, agent: "test" }, target, options);
    });
  }

  async home(options: Partial<ListenOptions> = {}, material?: ServerMaterial, host = "127.0.0.1"): Promise<TestHome> {
    const tls = material ?? (await selfSigned());
    const listener = await listenWith(
      {
        transport: anyTransport([tcpTransport(), this.line.transport]),
        runtime: systemRuntime,
        agent: "test",
        tls,
        identity: tls.identity,
        authority: undefined,
      },
      `${host}:0`,
      { tls: "self-signed", ...options },
    );
    this.#closers.push(() => listener.close());
    const address = formatAddress({ host, port: parseAddress(listener.address).port });
    return { listener, address, identity: tls.identity, next: () => listener.accept() };
  }

  /** A relay for `homes`; `shape` is that of the line to it. */
  async relay(
    homes: readonly TestHome[],
    options: RelayServerOptions = {},
    shape: Partial<PipeShape> = {},
    listen: Partial<ListenOptions> = {},
  ): Promise<TestRelay> {
    const events: RelayEvent[] = [];
    const relay = new Relay({ homes: homes.map((home) => home.address), onEvent: (event) => events.push(event), ...options });
    const gateway = new Gateway({ relay, limits: { requestTimeoutMs: this.requestTimeoutMs } });
    const serve = (session: ServerSession): Promise<void> =>
      gateway.serve(session, { name: session.clientIdentity ?? "client", source: undefined });
    return { ...(await this.relayServer(serve, shape, listen)), relay, events };
  }

  /** What a client takes for a relay, and `serve` makes of its sessions. */
  async relayServer(
    serve: (session: ServerSession) => Promise<void>,
    shape: Partial<PipeShape> = {},
    listen: Partial<ListenOptions> = {},
    authority?: JoinAuthority,
  ): Promise<TestRelayServer> {
    this.#relayCount += 1;
    const tls = await selfSigned();
    const network = memoryNetwork({ shape, identityOf: identityOfCertificate });
    const listener = await listenWith(
      { transport: network.transport, runtime: systemRuntime, agent: "test", tls, identity: tls.identity, authority },
      `relay${this.#relayCount}:4433`,
      { tls: "self-signed", ...listen },
    );
    const sessions: ServerSession[] = [];
    void (async () => {
      for await (const session of listener) {
        sessions.push(session);
        serve(session).catch(() => undefined);
      }
    })();
    this.#relays.set(listener.url, network);
    this.#closers.push(() => listener.close());
    return { listener, network, sessions, options: { address: listener.url, trust: { pins: [tls.identity] } } };
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
