import { createSocket, type Socket } from "node:dgram";
import type { IncomingTunnel, TunnelAddress, TunnelDatagrams, TunnelPacket } from "@kwik/tunnel";
import type { AllowList, NameResolver } from "./allow-list.ts";

/** Addresses and names of an association that are remembered, at most; the oldest is forgotten, and its answers are dropped. */
const MAX_REMEMBERED = 256;

export interface AssociationOptions {
  readonly allow: AllowList;
  readonly resolve: NameResolver;
  readonly idleTimeoutMs: number;
}

/** The UDP sockets of one association, one for each kind of address. spec: TUN-7 */
export class UdpAssociation {
  readonly #tunnel: IncomingTunnel;
  readonly #datagrams: TunnelDatagrams;
  readonly #options: AssociationOptions;
  readonly #sockets = new Map<4 | 6, Socket>();
  /** Where each target of the client is; undefined while it is asked for, or not allowed. */
  readonly #targets = new Map<string, TunnelAddress | undefined>();
  /** Whom the client has sent to. */
  readonly #senders = new Map<string, true>();
  readonly #idle: NodeJS.Timeout;
  readonly #ended = Promise.withResolvers<"closed" | "idle">();
  #sentBytes = 0;
  #receivedBytes = 0;
  #dropped = 0;

  constructor(tunnel: IncomingTunnel, datagrams: TunnelDatagrams, options: AssociationOptions) {
    this.#tunnel = tunnel;
    this.#datagrams = datagrams;
    this.#options = options;
    this.#idle = setTimeout(() => this.#ended.resolve("idle"), options.idleTimeoutMs);
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get droppedDatagrams(): number {
    return this.#dropped;
  }

  /** Runs until the stream of the association ends, nothing came for the idle time, or it is stopped. */
  async run(): Promise<"closed" | "idle"> {
    const detach = this.#datagrams.attach(this.#tunnel.id, (packet) => this.#outgoing(packet));
    try {
      void this.#streamEnds();
      return await this.#ended.promise;
    } finally {
      detach();
      clearTimeout(this.#idle);
      for (const socket of this.#sockets.values()) socket.close();
    }
  }

  stop(): void {
    this.#ended.resolve("closed");
  }

  async #streamEnds(): Promise<void> {
    try {
      while ((await this.#tunnel.read()) !== null);
    } catch {
      // An end as well.
    }
    this.#ended.resolve("closed");
  }

  /** spec: TUN-8 */
  #outgoing({ address, payload }: TunnelPacket): void {
    this.#idle.refresh();
    const key = keyOf(address);
    if (this.#targets.has(key)) return this.#send(this.#targets.get(key), payload);
    remember(this.#targets, key, undefined);
    void this.#options.allow.check("udp", address, this.#options.resolve).then((verdict) => {
      const [host] = verdict.allowed ? verdict.ips : [];
      // A name that did not resolve may do so the next time.
      if (!verdict.allowed && verdict.refusal === "name-not-found") this.#targets.delete(key);
      const found = host === undefined ? undefined : { host, port: address.port };
      if (found !== undefined && this.#targets.has(key)) this.#targets.set(key, found);
      this.#send(found, payload);
    });
  }

  #send(target: TunnelAddress | undefined, payload: Uint8Array): void {
    if (target === undefined) {
      this.#dropped += 1;
      return;
    }
    const sender = keyOf(target);
    if (!this.#senders.has(sender)) remember(this.#senders, sender, true);
    this.#sentBytes += payload.length;
    this.#socketFor(target.host.includes(":") ? 6 : 4).send(payload, target.port, target.host, (error) => {
      if (error !== null) this.#dropped += 1;
    });
  }

  #socketFor(family: 4 | 6): Socket {
    let socket = this.#sockets.get(family);
    if (socket === undefined) {
      socket = createSocket(family === 6 ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
      // The error of a send is told to its callback; others mean that nothing comes any more, which the idle time ends.
      socket.on("error", () => undefined);
      socket.on("message", (payload, from) => this.#incoming(payload, from.address, from.port));
      this.#sockets.set(family, socket);
    }
    return socket;
  }

  #incoming(payload: Uint8Array, host: string, port: number): void {
    // spec: TUN-9
    if (!this.#senders.has(keyOf({ host, port }))) {
      this.#dropped += 1;
      return;
    }
    this.#idle.refresh();
    if (this.#datagrams.send(this.#tunnel.id, { address: { host, port }, payload })) this.#receivedBytes += payload.length;
    else this.#dropped += 1;
  }
}

function keyOf({ host, port }: TunnelAddress): string {
  return `${host} ${port}`;
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value);
  if (map.size > MAX_REMEMBERED) map.delete(map.keys().next().value as string);
}
