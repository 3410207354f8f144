import { generateKeyPairSync } from "node:crypto";
import {
  type ClientSession,
  type ClusterOptions,
  type DialOptions,
  dialWith,
  type Listener,
  type ListenOptions,
  listenWith,
  type ServerSession,
  systemRuntime,
} from "@kwik/core";
import { type MemoryNetwork, memoryNetwork, type MemoryNetworkOptions } from "@kwik/testkit";
import { joinAuthority } from "@kwik/trust";

/** A server of a test: its listener, and the sessions that it accepted. */
export interface TestServer {
  readonly listener: Listener;
  readonly address: string;
  readonly identity: string;
  /** What it said of clients that it did not take, and the like. */
  readonly notices: readonly string[];
  next(): Promise<ServerSession>;
}

/** One client's network and some servers of one cluster, all in this process, on the memory transport. */
export class TestCluster implements AsyncDisposable {
  readonly network: MemoryNetwork;
  /** What its servers were made with. */
  readonly cluster: ClusterOptions;
  readonly #closers: (() => Promise<unknown>)[] = [];
  #count = 0;

  constructor(options: MemoryNetworkOptions = {}) {
    this.network = memoryNetwork(options);
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    this.cluster = {
      ticketSigningKey: privateKey.export({ type: "pkcs8", format: "pem" }),
      ticketVerifyKeys: [publicKey.export({ type: "spki", format: "pem" })],
    };
  }

  /** A server of its own, on `host`, or with the address and key of one that has crashed. */
  async serve(options: Partial<ListenOptions> = {}, again?: TestServer, host = "127.0.0.1"): Promise<TestServer> {
    if (again === undefined) this.#count += 1;
    const identity = again?.identity ?? `sha256:${String(this.#count).repeat(64).slice(0, 64)}`;
    const notices: string[] = [];
    const listener = await listenWith(
      {
        transport: this.network.transport,
        runtime: systemRuntime,
        agent: "test",
        tls: { cert: identity, key: "" },
        identity,
        authority: await joinAuthority(this.cluster, identity),
        identityOf: (cert) => cert,
        onNotice: (message) => notices.push(message),
      },
      again?.address ?? `${host}:${4000 + this.#count}`,
      { tls: "self-signed", ...options },
    );
    this.#closers.push(() => listener.close());
    return { listener, address: listener.address, identity, notices, next: () => listener.accept() };
  }

  async dial(server: TestServer, options: DialOptions = {}): Promise<ClientSession> {
    const session = await dialWith(
      { transport: this.network.transport, runtime: systemRuntime, agent: "test" },
      server.listener.url,
      options,
    );
    this.#closers.push(() => session.close());
    return session;
  }

  /** A session with one server: both sides. */
  async pair(server: Partial<ListenOptions> = {}, client: DialOptions = {}): Promise<{ client: ClientSession; server: ServerSession }> {
    const served = await this.serve(server);
    const [dialled, accepted] = await Promise.all([this.dial(served, client), served.next()]);
    return { client: dialled, server: accepted };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Everything that a stream brings, as text. */
export async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const data of stream) text += decoder.decode(data, { stream: true });
  return text + decoder.decode();
}
