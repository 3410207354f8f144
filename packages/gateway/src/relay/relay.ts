import type { Socket } from "node:net";
import { resolveHost } from "@kwik/resolve";
import { splice, type SpliceEnd } from "@kwik/splice";
import { describeTarget, type IncomingTunnel, type TunnelAddress, type TunnelRefusal, TunnelReset } from "@kwik/tunnel";
import { AllowList, type NameResolver } from "../allow-list.ts";
import { connectTarget, type Connection } from "../connect-target.ts";
import { type Refuse, type TakenTunnel, TunnelAdmission } from "../tunnel-admission.ts";
import { within } from "../within.ts";
import { leadsTo } from "./own-address.ts";
import type { RelayClientStats, RelayEvent, RelayStats } from "./relay-event.ts";
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from "./relay-limits.ts";
import { MeteredEnd } from "./metered-end.ts";
import { RelayMeter } from "./relay-meter.ts";

/** Why an attempt to connect was given up. */
const GONE = "the client is gone";
const DRAINING = "the relay is shutting down";

/** What a relay carries, and how. */
export interface RelayServerOptions {
  /** Homes to which links are carried, as `parseTargetRule` reads them. Default: none. */
  readonly homes?: readonly string[];
  readonly limits?: Partial<RelayLimits>;
  /** How names are resolved. Default: by the system. */
  readonly resolve?: NameResolver;
  /** Resolves when so many bytes of a client, in either direction, may go on; must not reject. Default: at once. */
  readonly pace?: (client: string, bytes: number) => Promise<void>;
  readonly onEvent?: (event: RelayEvent) => void;
}

/** Carries links between clients and homes; a gateway gives it the tunnels of this kind. docs/protocol/relay.md */
export class Relay {
  readonly #homes: AllowList;
  readonly #limits: RelayLimits;
  readonly #resolve: NameResolver;
  readonly #pace: (client: string, bytes: number) => Promise<void>;
  readonly #onEvent: (event: RelayEvent) => void;
  readonly #admission: TunnelAdmission;
  readonly #meter = new RelayMeter();
  readonly #refused: Partial<Record<TunnelRefusal, number>> = {};
  #bound: TunnelAddress | undefined;

  /** Throws INVALID_ARGUMENT for rules that make no sense. */
  constructor(options: RelayServerOptions = {}) {
    this.#homes = new AllowList(options.homes ?? []);
    this.#limits = { ...DEFAULT_RELAY_LIMITS, ...options.limits };
    this.#resolve = options.resolve ?? resolveHost;
    this.#pace = options.pace ?? (() => Promise.resolve());
    this.#onEvent = options.onEvent ?? (() => undefined);
    this.#admission = new TunnelAdmission({
      maxTotal: this.#limits.maxLinks,
      maxPerClient: this.#limits.maxLinksPerClient,
      what: "links",
      draining: DRAINING,
    });
  }

  /** Says where its own sessions come in: no link is carried to there. spec: RELAY-4 */
  listensAt(bound: TunnelAddress): void {
    this.#bound = bound;
  }

  /** Carries the link that a tunnel asks for to its end. What goes wrong ends that one alone; never rejects. */
  async carry(tunnel: IncomingTunnel, client: string): Promise<void> {
    const home = describeTarget(tunnel.target).replace(/^link /, "");
    const refuse: Refuse = (refusal, reason) => {
      this.#refused[refusal] = (this.#refused[refusal] ?? 0) + 1;
      this.#onEvent({ type: "link-refused", client, home, refusal, reason });
      tunnel.refuse(refusal, reason);
    };
    const { target } = tunnel;
    if (target.kind !== "link") {
      refuse("not-supported", "a relay carries links only");
      return;
    }
    await this.#admission.run(client, refuse, (taken) => this.#carry(tunnel, target, client, home, refuse, taken));
  }

  /** New links are refused from now on. Resolves when none is left, or after `graceMs`, when those that are left are broken off. */
  drain(graceMs: number): Promise<void> {
    return this.#admission.drain(graceMs);
  }

  stats(): RelayStats {
    return { ...this.#meter.total, refusedTotal: { ...this.#refused } };
  }

  /** The numbers of the last 1000 clients. */
  clients(): RelayClientStats[] {
    return this.#meter.clients();
  }

  async #carry(
    tunnel: IncomingTunnel,
    target: TunnelAddress,
    client: string,
    home: string,
    refuse: Refuse,
    taken: TakenTunnel,
  ): Promise<void> {
    const given = new AbortController();
    taken.stop = () => given.abort(DRAINING);
    // A client that gives up, or loses its session, is not connected for.
    tunnel.readAhead().catch(() => given.abort(GONE));
    const start = performance.now();
    const closed = (sentBytes: number, receivedBytes: number, end: SpliceEnd): void => {
      const seconds = Math.round(performance.now() - start) / 1000;
      this.#onEvent({ type: "link-closed", client, home, seconds, sentBytes, receivedBytes, end });
    };
    const connection = await this.#connectionTo(target, given.signal);
    if (!connection.ok) {
      if (!given.signal.aborted) refuse(connection.refusal, connection.reason);
      else if (given.signal.reason === DRAINING) refuse("draining", DRAINING);
      else {
        tunnel.abort(TunnelReset.cancelled);
        closed(0, 0, "tunnel-broken");
      }
      return;
    }
    const { socket } = connection;
    const connectMs = Math.round((performance.now() - start) * 10) / 10;
    this.#onEvent({ type: "link-opened", client, home, address: socket.remoteAddress ?? "", connectMs });
    tunnel.accept(localOf(socket));
    taken.stop = () => socket.destroy();
    const meter = this.#meter.open(client);
    const { bytesIn, bytesOut, end } = await splice(
      socket,
      new MeteredEnd(tunnel, meter, (bytes) => this.#pace(client, bytes)),
      this.#limits,
    );
    meter.closed();
    closed(bytesOut, bytesIn, end);
  }

  async #connectionTo(target: TunnelAddress, signal: AbortSignal): Promise<Connection> {
    const { connectTimeoutMs } = this.#limits;
    const start = performance.now();
    const verdict = await within(this.#homes.check("tcp", target, this.#resolve), connectTimeoutMs, signal);
    if (verdict === undefined)
      return { ok: false, refusal: "timed-out", reason: `${target.host} did not resolve within ${connectTimeoutMs} ms` };
    if (!verdict.allowed) return { ok: false, ...verdict };
    const bound = this.#bound;
    if (bound !== undefined && verdict.ips.some((ip) => leadsTo(bound, ip, target.port)))
      return { ok: false, refusal: "not-allowed", reason: "that is this relay" };
    const restMs = Math.max(1, connectTimeoutMs - (performance.now() - start));
    return connectTarget({ ips: verdict.ips, port: target.port }, restMs, signal);
  }
}

function localOf({ localAddress, localPort }: Socket): TunnelAddress | undefined {
  return localAddress === undefined || localPort === undefined ? undefined : { host: localAddress, port: localPort };
}
