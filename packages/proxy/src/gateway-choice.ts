import type { ClientSession, PathInfo } from "@kwik/core";

/** How long a gateway that says it is shutting down, or full, is left alone, in milliseconds. */
const REST_MS = 5_000;

/** A gateway of a session, by the path over which it is reached best. */
export interface GatewayAtPath {
  /** Its identity, else its address. */
  readonly key: string;
  readonly pathId: number;
}

/** Spreads tunnels over the gateways of a session: whoever has the fewest is next, of equals the nearest. */
export class GatewayChoice {
  readonly #open = new Map<string, number>();
  readonly #resting = new Map<string, number>();

  /** The gateway for one more tunnel, or undefined where no path is usable. Those in `tried` come last. */
  choose(session: ClientSession, tried: ReadonlySet<string>): GatewayAtPath | undefined {
    const now = performance.now();
    const isLast = (key: string): boolean => tried.has(key) || (this.#resting.get(key) ?? 0) > now;
    let best: { gateway: GatewayAtPath; rank: readonly [number, number, number] } | undefined;
    for (const path of session.stats().paths) {
      if (path.state !== "active" && path.state !== "degraded") continue;
      const key = keyOf(path);
      const doubt = (isLast(key) ? 2 : 0) + (path.state === "degraded" ? 1 : 0);
      const rank = [doubt, this.#open.get(key) ?? 0, path.rttMs ?? Infinity] as const;
      if (best === undefined || isLess(rank, best.rank)) best = { gateway: { key, pathId: path.id }, rank };
    }
    return best?.gateway;
  }

  /** One more is open there. */
  opened(key: string): void {
    this.#open.set(key, (this.#open.get(key) ?? 0) + 1);
  }

  closed(key: string): void {
    const count = (this.#open.get(key) ?? 1) - 1;
    if (count > 0) this.#open.set(key, count);
    else this.#open.delete(key);
  }

  /** It takes no more for now; with `restMs` for so long. */
  rest(key: string, restMs = REST_MS): void {
    this.#resting.set(key, performance.now() + restMs);
  }

  /** A gateway that leaves is passed over as long as it said: it would refuse. */
  async follow(session: ClientSession): Promise<void> {
    for await (const event of session.events()) {
      if (event.type === "going-away" && event.path !== undefined) this.rest(keyOf(event.path), event.graceMs);
      // Whoever is there anew takes connections again.
      else if (event.type === "server-lost" && event.path !== undefined) this.#resting.delete(keyOf(event.path));
    }
  }

  /** A usable path to a gateway; undefined while there is none. */
  pathTo(session: ClientSession, key: string): number | undefined {
    return session.stats().paths.find((path) => keyOf(path) === key && (path.state === "active" || path.state === "degraded"))?.id;
  }
}

function keyOf(path: PathInfo): string {
  return path.identity ?? path.address;
}

function isLess(a: readonly [number, number, number], b: readonly [number, number, number]): boolean {
  if (a[0] !== b[0]) return a[0] < b[0];
  return a[1] === b[1] ? a[2] < b[2] : a[1] < b[1];
}
