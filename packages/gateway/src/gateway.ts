import type { Socket } from "node:net";
import { KwikError, type ServerSession } from "@kwik/core";
import { resolveHost } from "@kwik/resolve";
import { splice, type SpliceEnd } from "@kwik/splice";
import {
  acceptTunnel,
  describeTarget,
  type IncomingTunnel,
  type TunnelAddress,
  tunnelDatagrams,
  type TunnelRefusal,
  TunnelReset,
} from "@kwik/tunnel";
import { AllowList, type NameResolver } from "./allow-list.ts";
import { connectTarget, type Connection, type Destination } from "./connect-target.ts";
import type { GatewayEvent, GatewayStats } from "./gateway-event.ts";
import { DEFAULT_GATEWAY_LIMITS, type GatewayLimits } from "./gateway-limits.ts";
import type { Relay } from "./relay/relay.ts";
import { DEFAULT_ORIGIN_LIMITS, type OriginLimits } from "./origin/origin-limits.ts";
import { Origins } from "./origin/origins.ts";
import { proxyHeader } from "./proxy-protocol.ts";
import { destinationOf, localOf, remoteOf } from "./socket-places.ts";
import { TargetHealth, type TargetStatus } from "./target-health.ts";
import { type Refuse, type TakenTunnel, TunnelAdmission } from "./tunnel-admission.ts";
import { UdpAssociation } from "./udp-association.ts";
import { within } from "./within.ts";

export interface GatewayOptions {
  /** What clients may reach, as `parseTargetRule` reads it. Default: nothing. */
  readonly allow?: readonly string[];
  /** Unix sockets that clients may reach: their names, and where they are. Default: none. */
  readonly unixSockets?: Readonly<Record<string, string>>;
  /**
   * HTTP targets that clients may reach, `HOST:PORT=http://…` or `https://…` as `parseOriginRule` reads it: where this gateway's replica is. Responses that others have too come from
   * all of them, where `listen` has this gateway's `contents`. Default: none.
   */
  readonly origins?: readonly string[];
  /** Whom to believe at https origins, PEM. Default: the authorities of Node. */
  readonly originCa?: string;
  readonly originLimits?: Partial<OriginLimits>;
  /** Targets that are told their client by the PROXY protocol, version 2; rules as in `allow`. Default: none. */
  readonly proxyProtocol?: readonly string[];
  /** Carries links of clients to homes. Its limits, numbers and drain are its own. Default: nobody does. */
  readonly relay?: Relay;
  readonly limits?: Partial<GatewayLimits>;
  /** How names are resolved. Default: by the system. */
  readonly resolve?: NameResolver;
  readonly onEvent?: (event: GatewayEvent) => void;
}

/** Whose session it is. */
export interface GatewayClient {
  /** For limits and logs: the same for all sessions of a client. */
  readonly name: string;
  /** Where it comes from, for the PROXY protocol; undefined if that is not known. */
  readonly source: TunnelAddress | undefined;
}

/** Why an attempt to connect was given up. */
const GONE = "the client is gone";
const DRAINING = "the gateway is shutting down";

/** Connects the tunnels of sessions to targets. Its sessions come from a listener of the caller's. */
export class Gateway {
  readonly health = new TargetHealth();
  readonly origins: Origins;
  readonly #allow: AllowList;
  readonly #proxyProtocol: AllowList;
  readonly #unixSockets: ReadonlyMap<string, string>;
  readonly #relay: Relay | undefined;
  readonly #limits: GatewayLimits;
  readonly #resolve: NameResolver;
  readonly #onEvent: (event: GatewayEvent) => void;
  readonly #admission: TunnelAdmission;
  readonly #associations = new Set<UdpAssociation>();
  readonly #refused: Partial<Record<TunnelRefusal, number>> = {};
  #sessions = 0;
  #connected = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  #dropped = 0;

  /** Throws INVALID_ARGUMENT for rules that make no sense. */
  constructor(options: GatewayOptions = {}) {
    this.#allow = new AllowList(options.allow ?? []);
    this.#proxyProtocol = new AllowList(options.proxyProtocol ?? []);
    this.#unixSockets = new Map(Object.entries(options.unixSockets ?? {}));
    this.#relay = options.relay;
    this.#limits = { ...DEFAULT_GATEWAY_LIMITS, ...options.limits };
    this.#resolve = options.resolve ?? resolveHost;
    this.#onEvent = options.onEvent ?? (() => undefined);
    this.origins = new Origins({
      rules: options.origins ?? [],
      ca: options.originCa,
      limits: { ...DEFAULT_ORIGIN_LIMITS, ...options.originLimits },
      resolve: this.#resolve,
      onEvent: this.#onEvent,
    });
    this.#admission = new TunnelAdmission({
      maxTotal: this.#limits.maxConnections,
      maxPerClient: this.#limits.maxConnectionsPerClient,
      what: "connections",
      draining: DRAINING,
    });
  }

  /** Serves the tunnels of a session to its end. What goes wrong with one ends that one alone. */
  async serve(session: ServerSession, { name: client, source }: GatewayClient): Promise<void> {
    this.#sessions += 1;
    try {
      // From here on, so that no datagram of an association is missed.
      if (this.#allow.has("udp")) tunnelDatagrams(session);
      for await (const stream of session.incomingStreams()) {
        void acceptTunnel(stream, { timeoutMs: this.#limits.requestTimeoutMs }).then(
          (tunnel) => this.#serve(session, tunnel, client, source),
          (error: unknown) => {
            this.#count("bad-request");
            this.#onEvent({ type: "refused", client, target: "unknown", refusal: "bad-request", reason: KwikError.from(error).message });
          },
        );
      }
    } finally {
      this.#sessions -= 1;
    }
  }

  /** New tunnels are refused from now on. Resolves when none is left, or after `graceMs`, when those that are left are broken off. */
  drain(graceMs: number): Promise<void> {
    return this.#admission.drain(graceMs);
  }

  stats(): GatewayStats {
    let sentBytes = this.#sentBytes;
    let receivedBytes = this.#receivedBytes;
    let droppedDatagrams = this.#dropped;
    for (const association of this.#associations) {
      sentBytes += association.sentBytes;
      receivedBytes += association.receivedBytes;
      droppedDatagrams += association.droppedDatagrams;
    }
    return {
      sessions: this.#sessions,
      connections: this.#admission.total - this.#associations.size,
      associations: this.#associations.size,
      connectedTotal: this.#connected,
      refusedTotal: { ...this.#refused },
      sentBytes,
      receivedBytes,
      droppedDatagrams,
    };
  }

  targets(): TargetStatus[] {
    return this.health.all();
  }

  /** Where a target of the operator's is, for checks. Rejects with INVALID_ARGUMENT if it is not on the list, or as the resolver. */
  async destinationOf(target: TunnelAddress): Promise<Destination> {
    const verdict = await this.#allow.check("tcp", target, this.#resolve);
    if (!verdict.allowed) throw new KwikError("INVALID_ARGUMENT", verdict.reason);
    return { ips: verdict.ips, port: target.port };
  }

  async #serve(session: ServerSession, tunnel: IncomingTunnel, client: string, source: TunnelAddress | undefined): Promise<void> {
    const target = describeTarget(tunnel.target);
    const refuse: Refuse = (refusal, reason) => {
      this.#count(refusal);
      this.#onEvent({ type: "refused", client, target, refusal, reason });
      tunnel.refuse(refusal, reason);
    };
    if (tunnel.target.kind === "link") {
      if (this.#relay === undefined) refuse("not-supported", "this gateway carries no links");
      else await this.#relay.carry(tunnel, client);
      return;
    }
    await this.#admission.run(client, refuse, (taken) =>
      tunnel.target.kind === "udp"
        ? this.#associate(session, tunnel, client, refuse, taken)
        : this.#connect(session.id, tunnel, client, source, refuse, taken),
    );
  }

  async #connect(
    session: string,
    tunnel: IncomingTunnel,
    client: string,
    source: TunnelAddress | undefined,
    refuse: Refuse,
    taken: TakenTunnel,
  ): Promise<void> {
    const target = describeTarget(tunnel.target);
    const given = new AbortController();
    taken.stop = () => given.abort(DRAINING);
    // A client that gives up, or loses its session, is not connected for.
    tunnel.readAhead().catch(() => given.abort(GONE));
    const start = performance.now();
    const connection = await this.#connectionTo(tunnel, given.signal);
    if (!connection.ok) {
      if (given.signal.aborted) this.#giveUp(tunnel, client, start, given.signal.reason === DRAINING ? refuse : undefined);
      else {
        if (connection.refusal !== "not-allowed") this.health.failed(target);
        refuse(connection.refusal, connection.reason);
      }
      return;
    }
    const { socket } = connection;
    const connectMs = performance.now() - start;
    this.#connected += 1;
    this.health.connected(target, connectMs);
    this.#onEvent({ type: "connected", client, target, address: remoteOf(socket), connectMs: Math.round(connectMs * 10) / 10 });
    const origin = this.origins.find(tunnel.target);
    if (origin === undefined && this.#wantsProxyHeader(tunnel, socket)) socket.write(proxyHeader(source, destinationOf(socket)));
    tunnel.accept(localOf(socket));
    taken.stop = () => socket.destroy();
    const watched = origin === undefined ? tunnel : this.origins.watch(tunnel, origin, { client, session }, this.#limits.idleTimeoutMs);
    const { bytesIn, bytesOut, end } = await splice(socket, watched, this.#limits);
    this.#sentBytes += bytesOut;
    this.#receivedBytes += bytesIn;
    this.#closed(client, target, start, { sentBytes: bytesOut, receivedBytes: bytesIn, end });
  }

  /** Nobody is to blame but the client, or this gateway. */
  #giveUp(tunnel: IncomingTunnel, client: string, start: number, refuse: Refuse | undefined): void {
    if (refuse !== undefined) return refuse("draining", DRAINING);
    tunnel.abort(TunnelReset.cancelled);
    this.#closed(client, describeTarget(tunnel.target), start, { sentBytes: 0, receivedBytes: 0, end: "tunnel-broken" });
  }

  #closed(client: string, target: string, start: number, outcome: { sentBytes: number; receivedBytes: number; end: SpliceEnd }): void {
    const seconds = Math.round(performance.now() - start) / 1000;
    this.#onEvent({ type: "closed", client, target, seconds, ...outcome });
  }

  async #connectionTo({ target }: IncomingTunnel, signal: AbortSignal): Promise<Connection> {
    const { connectTimeoutMs } = this.#limits;
    if (target.kind === "unix") {
      const path = this.#unixSockets.get(target.name);
      if (path === undefined) return { ok: false, refusal: "not-allowed", reason: `there is no unix socket "${target.name}" on the list` };
      return connectTarget({ path }, connectTimeoutMs, signal);
    }
    if (target.kind === "udp") return { ok: false, refusal: "not-supported", reason: "this is no connection" };
    const origin = this.origins.find(target);
    if (origin !== undefined) return origin.connect(connectTimeoutMs, signal);
    const start = performance.now();
    const verdict = await within(this.#allow.check("tcp", target, this.#resolve), connectTimeoutMs, signal);
    if (verdict === undefined)
      return { ok: false, refusal: "timed-out", reason: `${target.host} did not resolve within ${connectTimeoutMs} ms` };
    if (!verdict.allowed) return { ok: false, ...verdict };
    const restMs = Math.max(1, connectTimeoutMs - (performance.now() - start));
    return connectTarget({ ips: verdict.ips, port: target.port }, restMs, signal);
  }

  async #associate(session: ServerSession, tunnel: IncomingTunnel, client: string, refuse: Refuse, taken: TakenTunnel): Promise<void> {
    if (!this.#allow.has("udp")) {
      refuse("not-supported", "the list has no UDP targets");
      return;
    }
    const association = new UdpAssociation(tunnel, tunnelDatagrams(session), {
      allow: this.#allow,
      resolve: this.#resolve,
      idleTimeoutMs: this.#limits.udpIdleTimeoutMs,
    });
    this.#associations.add(association);
    taken.stop = () => association.stop();
    const start = performance.now();
    tunnel.accept();
    const end = await association.run();
    tunnel.close().catch(() => undefined);
    this.#associations.delete(association);
    const { sentBytes, receivedBytes } = association;
    this.#sentBytes += sentBytes;
    this.#receivedBytes += receivedBytes;
    this.#dropped += association.droppedDatagrams;
    this.#closed(client, "udp", start, { sentBytes, receivedBytes, end });
  }

  #wantsProxyHeader({ target }: IncomingTunnel, socket: Socket): boolean {
    if (this.#proxyProtocol.isEmpty || target.kind !== "tcp") return false;
    const { host, port } = destinationOf(socket);
    return this.#proxyProtocol.namesHost("tcp", target) || this.#proxyProtocol.allowsAddress("tcp", { host, port });
  }

  #count(refusal: TunnelRefusal): void {
    this.#refused[refusal] = (this.#refused[refusal] ?? 0) + 1;
  }
}
