import { ErrorCode, formatAddress, KwikError } from "@kwik/core";
import type { DialRequest, Link, ListenRequest, Transport, TransportListener } from "@kwik/core";
import { realClock } from "./memory-clock.ts";
import type { MemoryClock } from "./memory-clock.ts";
import { MemoryLink } from "./memory-link.ts";
import type { PipeShape } from "./memory-pipe.ts";

export interface MemoryNetworkOptions {
  /** Name of its transport. Default "memory". */
  name?: string;
  clock?: MemoryClock;
  /** Shape of new connections, both directions. Default: no delay, no limit. */
  shape?: Partial<PipeShape>;
  /** Host that the next client comes from. Default "client" for all. */
  clientHost?: () => string;
  /** The addresses behind a host name, each time that it is dialled; names that it does not know are dialled as they are. Default: none. */
  resolve?: (host: string) => readonly string[] | undefined;
  /** The identity that a listener's certificate proves. Default: the certificate's text itself, if it reads "sha256:…". */
  identityOf?: (cert: string) => string | undefined;
}

/** One connection of a memory network, with everything that can happen to it. */
export interface MemoryConnection {
  /** "host:port" that was dialled. */
  readonly address: string;
  readonly toServer: PipeShape;
  readonly toClient: PipeShape;
  /** Changes a direction; what waits goes on under the new shape. */
  setShape(direction: "to-server" | "to-client" | "both", shape: Partial<PipeShape>): void;
  /** Both ends learn at once that the connection is lost. */
  kill(): void;
}

/** A network inside the process: a transport whose links are pairs of objects. */
export interface MemoryNetwork {
  readonly transport: Transport;
  /** All connections ever made, in the order of dialling. */
  readonly connections: readonly MemoryConnection[];
  /** "host:port" of every attempt, names resolved, in order. */
  readonly dialled: readonly string[];
  /** The process that listens there is gone: its connections break, and the address is free. */
  crash(address: string): void;
  /** The line to whoever listens there is cut: its connections break, and none can be made until `plug`. */
  unplug(address: string): void;
  plug(address: string): void;
}

const FIRST_FREE_PORT = 20_000;

/** Makes a network of its own; addresses are free text and need not exist. */
export function memoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  const clock = options.clock ?? realClock;
  const name = options.name ?? "memory";
  const identityOf = options.identityOf ?? ((cert: string) => (cert.startsWith("sha256:") ? cert : undefined));
  const unplugged = new Set<string>();
  const listeners = new Map<string, { request: ListenRequest; links: Set<MemoryLink> }>();
  const connections: MemoryConnection[] = [];
  const dialled: string[] = [];
  let nextPort = FIRST_FREE_PORT;

  const listen = async (request: ListenRequest): Promise<TransportListener> => {
    const port = request.address.port === 0 ? nextPort++ : request.address.port;
    const address = formatAddress({ host: request.address.host, port });
    if (listeners.has(address)) throw new KwikError("IO", `cannot listen on ${address}: the address is in use`);
    const links = new Set<MemoryLink>();
    const own = { request, links };
    listeners.set(address, own);
    return {
      address,
      close: async () => {
        if (listeners.get(address) === own) listeners.delete(address);
        for (const link of links) link.close(ErrorCode.GOING_AWAY, "the server has shut down");
      },
      updateTls: async (tls) => {
        listeners.set(address, { request: { ...request, tls }, links });
      },
    };
  };

  const dial = async (request: DialRequest): Promise<Link> => {
    const { host: named, port } = request.address;
    const resolved = request.ip === undefined ? options.resolve?.(named) : [request.ip];
    const problem = resolved === undefined || request.ip !== undefined ? undefined : request.checkResolved?.(resolved);
    if (problem !== undefined) throw new KwikError("ADDRESS_REFUSED", `${named} is refused: ${problem}`);
    const host = resolved?.[0] ?? named;
    const address = formatAddress({ host, port });
    dialled.push(address);
    if (request.signal?.aborted === true) throw new KwikError("ABORTED", `dialling ${address} was aborted`);
    const listener = listeners.get(address);
    if (listener === undefined || unplugged.has(address)) throw new KwikError("UNREACHABLE", `nobody listens at ${address}`);
    const proven = identityOf(listener.request.tls.cert);
    const acceptable = request.identity === undefined ? request.trust.pins : [request.identity];
    const isTrusted =
      request.trust.dangerouslyTrustAnyServer || acceptable.length === 0 || (proven !== undefined && acceptable.includes(proven));
    if (!isTrusted) throw new KwikError("NOT_TRUSTED", `${address} is not trusted: its key is not the expected one`);

    const clientAddress = `${options.clientHost?.() ?? "client"}:${connections.length + 1}`;
    const refusal = listener.request.onConnection?.(clientAddress);
    if (refusal !== undefined) throw new KwikError("UNREACHABLE", `${address} refused the connection: ${refusal.text}`, { remote: true });
    const base = { transport: name, clientIdentity: undefined };
    const client = new MemoryLink(clock, { ...base, remoteAddress: address, localAddress: clientAddress, provenIdentity: proven }, true, {
      ...options.shape,
    });
    const server = new MemoryLink(
      clock,
      {
        ...base,
        remoteAddress: clientAddress,
        localAddress: address,
        provenIdentity: undefined,
        clientIdentity: request.clientCertificate === undefined ? undefined : identityOf(request.clientCertificate.cert),
      },
      false,
      { ...options.shape },
    );
    client.join(server);
    server.join(client);
    connections.push(connectionOf(address, client, server));
    listener.links.add(server);
    await new Promise<void>((resolve) => clock.schedule(client.outgoing.shape.delayMs + server.outgoing.shape.delayMs, resolve));
    clock.schedule(0, () => listener.request.onLink(server));
    return client;
  };

  const killAll = (address: string): void => {
    for (const connection of connections) if (connection.address === address) connection.kill();
  };

  return {
    transport: { name, dial, listen },
    connections,
    dialled,
    crash: (address) => {
      listeners.delete(address);
      killAll(address);
    },
    unplug: (address) => {
      unplugged.add(address);
      killAll(address);
    },
    plug: (address) => void unplugged.delete(address),
  };
}

function connectionOf(address: string, client: MemoryLink, server: MemoryLink): MemoryConnection {
  return {
    address,
    toServer: client.outgoing.shape,
    toClient: server.outgoing.shape,
    setShape: (direction, shape) => {
      for (const [name, link] of [
        ["to-server", client],
        ["to-client", server],
      ] as const) {
        if (direction !== "both" && direction !== name) continue;
        Object.assign(link.outgoing.shape, shape);
        link.outgoing.wake();
      }
    },
    kill: () => {
      const info = { code: ErrorCode.LINK_LOST, reason: "the connection was lost", remote: false };
      client.end(info);
      server.end(info);
    },
  };
}
