import type { PathId, SessionPath } from "@kwik/proto";
import { parseAddress, type ServerAddress, type TransportName } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import type { Transport } from "../transport/transport.ts";

/** A path on which nothing was heard for so long is taken for one whose transport is blocked, in milliseconds. */
const SILENCE_MS = 150;
/** How often a suspected path is looked at. */
const LOOK_MS = 50;
/** What is under way on a path that is not needed any more has so long to arrive. */
export const DRAIN_MS = 1_000;
/** A server that answered over no other transport is not asked again for so long, in milliseconds. */
const ALONE_MS = 60_000;

/** Which transports a dial may use; without a word all of them. */
export interface TransportLimit {
  /** Not this one. */
  readonly avoid?: string;
  /** This one, which the session had at this server before. */
  readonly only?: TransportName;
}

/** What going to another transport, and back, needs of the dialer. */
export interface FallbackDialer {
  now(): number;
  isStopped(): boolean;
  /** Paths to the address that have not ended. */
  pathsTo(address: string): SessionPath[];
  /** Whether the session may have one path more. */
  hasRoom(): boolean;
  sleep(ms: number): Promise<void>;
  dial(address: ServerAddress, identity: string | undefined, limit: TransportLimit): Promise<Link>;
  takeIn(link: Link, address: ServerAddress, identity: string | undefined, priority: number): Promise<SessionPath | undefined>;
  remove(path: SessionPath, graceMs: number): void;
}

/**
 * Where one transport falls silent in mid-session (UDP is blocked, most often), dials the same server over another, before the path is given up. When the
 * first is heard again, the worse of them is taken out: both would only compete on one line.
 */
export class TransportFallback {
  readonly #transport: Transport;
  readonly #dialer: FallbackDialer;
  /** Paths that are watched or replaced; the path beside them once it is there. */
  readonly #fallbacks = new Map<PathId, SessionPath | undefined>();
  /** Addresses at which only this transport answered, and until when that is believed. */
  readonly #alone = new Map<string, { readonly transport: string; readonly until: number }>();

  constructor(transport: Transport, dialer: FallbackDialer) {
    this.#transport = transport;
    this.#dialer = dialer;
  }

  pathDegraded(path: SessionPath): void {
    // A fallback has none of its own: it goes when its first is back.
    if (this.#fallbacks.has(path.id) || [...this.#fallbacks.values()].includes(path)) return;
    if (this.#transport.hasOther?.(parseAddress(path.address), path.transport) !== true) return;
    if ((this.#alone.get(path.address)?.until ?? 0) > this.#dialer.now()) return;
    this.#fallbacks.set(path.id, undefined);
    void this.#replace(path).then(
      (fallback) => {
        // What stands for a path that has ended is one like any other.
        if (fallback === undefined || path.isFinal) this.#fallbacks.delete(path.id);
        else this.#fallbacks.set(path.id, fallback);
        if (path.state === "active") this.pathRecovered(path);
      },
      () => {
        this.#fallbacks.delete(path.id);
        // Whoever is silent everywhere is gone, which says nothing of the transports: the path's own end is what is told.
        if (!path.isFinal) this.#alone.set(path.address, { transport: path.transport, until: this.#dialer.now() + ALONE_MS });
      },
    );
  }

  pathRecovered(path: SessionPath): void {
    const fallback = this.#fallbacks.get(path.id);
    if (fallback === undefined) return;
    this.#fallbacks.delete(path.id);
    const isBetter = this.#transport.prefers?.(fallback.transport, path.transport) === true && fallback.state === "active";
    const worse = isBetter ? path : fallback;
    if (!worse.isFinal) this.#dialer.remove(worse, DRAIN_MS);
  }

  /** Another transport that answers, in the race of a redial for instance, is there after all. */
  pathActive(path: SessionPath): void {
    const alone = this.#alone.get(path.address);
    if (alone !== undefined && alone.transport !== path.transport) this.#alone.delete(path.address);
  }

  pathDied(path: SessionPath): void {
    if (this.#fallbacks.get(path.id) !== undefined) this.#fallbacks.delete(path.id);
  }

  async #replace(path: SessionPath): Promise<SessionPath | undefined> {
    const dialer = this.#dialer;
    const isDegraded = (): boolean => path.state === "degraded" && !dialer.isStopped();
    const hasOther = (): boolean => dialer.pathsTo(path.address).some((other) => other !== path);
    // One that is on its way out may still be beside it, or the path itself is on trial beside a fallback.
    while (isDegraded() && (hasOther() || dialer.now() - path.heardAt < SILENCE_MS)) await dialer.sleep(LOOK_MS);
    if (!isDegraded() || !dialer.hasRoom()) return undefined;
    const address = parseAddress(path.address);
    const link = await dialer.dial(address, path.identity, { avoid: path.transport });
    // It may have died meanwhile, which is what this is for; or been closed by wish, or dialled again.
    const isWanted = path.state === "degraded" || (path.state === "dead" && !hasOther());
    if (isWanted) return dialer.takeIn(link, address, path.identity, path.priority);
    link.close(0, "");
    return undefined;
  }
}
