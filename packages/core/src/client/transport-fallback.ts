import type { PathId, SessionPath } from "@kwik/proto";
import { parseAddress, type ServerAddress } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import type { Transport } from "../transport/transport.ts";

/** A path on which nothing was heard for so long is taken for one whose transport is blocked, in milliseconds. */
const SILENCE_MS = 150;
/** How often a suspected path is looked at. */
const LOOK_MS = 50;
/** What is under way on a fallback that is not needed any more has so long to arrive. */
const DRAIN_MS = 1_000;

/** What a fallback needs of the dialer. */
export interface FallbackDialer {
  now(): number;
  isStopped(): boolean;
  hasOtherPathTo(address: ServerAddress, path: SessionPath): boolean;
  /** Whether the session may have one path more. */
  hasRoom(): boolean;
  sleep(ms: number): Promise<void>;
  dial(address: ServerAddress, identity: string | undefined, avoid: string): Promise<Link>;
  takeIn(link: Link, address: ServerAddress, identity: string | undefined, priority: number): Promise<SessionPath | undefined>;
  remove(path: SessionPath, graceMs: number): void;
}

/**
 * Where one transport falls silent in mid-session (UDP is blocked, most often), dials the same server over another, before the path is given up. When the
 * first is heard again, the other is taken out: both would only compete on one line.
 */
export class TransportFallback {
  readonly #transport: Transport;
  readonly #dialer: FallbackDialer;
  /** Paths that are watched or replaced; the path beside them once it is there. */
  readonly #fallbacks = new Map<PathId, SessionPath | undefined>();

  constructor(transport: Transport, dialer: FallbackDialer) {
    this.#transport = transport;
    this.#dialer = dialer;
  }

  pathDegraded(path: SessionPath): void {
    // A fallback has none of its own: it goes when its first is back.
    if (this.#fallbacks.has(path.id) || [...this.#fallbacks.values()].includes(path)) return;
    if (this.#transport.hasOther?.(parseAddress(path.address), path.transport) !== true) return;
    this.#fallbacks.set(path.id, undefined);
    void this.#replace(path).then(
      (fallback) => {
        if (fallback === undefined) this.#fallbacks.delete(path.id);
        else this.#fallbacks.set(path.id, fallback);
        if (path.state === "active") this.pathRecovered(path);
      },
      // Whoever is silent everywhere is gone: the path's own end is what is told.
      () => this.#fallbacks.delete(path.id),
    );
  }

  pathRecovered(path: SessionPath): void {
    const fallback = this.#fallbacks.get(path.id);
    if (fallback === undefined) return;
    this.#fallbacks.delete(path.id);
    if (!fallback.isFinal) this.#dialer.remove(fallback, DRAIN_MS);
  }

  pathDied(path: SessionPath): void {
    if (this.#fallbacks.get(path.id) !== undefined) this.#fallbacks.delete(path.id);
  }

  async #replace(path: SessionPath): Promise<SessionPath | undefined> {
    const dialer = this.#dialer;
    const isDegraded = (): boolean => path.state === "degraded" && !dialer.isStopped();
    while (isDegraded() && dialer.now() - path.heardAt < SILENCE_MS) await dialer.sleep(LOOK_MS);
    if (!isDegraded() || !dialer.hasRoom()) return undefined;
    const address = parseAddress(path.address);
    const link = await dialer.dial(address, path.identity, path.transport);
    // It may have died meanwhile, which is what this is for; or been closed by wish, or dialled again.
    const isWanted = path.state === "degraded" || (path.state === "dead" && !dialer.hasOtherPathTo(address, path));
    if (isWanted) return dialer.takeIn(link, address, path.identity, path.priority);
    link.close(0, "");
    return undefined;
  }
}
