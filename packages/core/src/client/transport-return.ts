import type { SessionPath } from "@kwik/proto";
import { parseAddress, type TransportName } from "../transport/address.ts";
import type { Transport } from "../transport/transport.ts";
import { DRAIN_MS, type FallbackDialer } from "./transport-fallback.ts";

/** A transport that was given up is tried again after so long, then after twice that each time, up to the maximum, in milliseconds. */
const FIRST_TRY_MS = 2_000;
const MAX_TRY_MS = 120_000;
/** A path that came back and has been active for so long is preferred again, in milliseconds. */
const SOUND_MS = 2_000;
/** One that is not sound by then is given up until the next try, in milliseconds. */
const TRIAL_MS = 10_000;
/** How often a path on trial is looked at. */
const LOOK_MS = 100;
/** A return that held for so long begins with a short wait the next time, in milliseconds. */
const HELD_MS = 60_000;

/** What is known of the transports at one server. */
interface Place {
  /** The best transport that this session ever had there. */
  wanted: TransportName;
  waitMs: number;
  isTrying: boolean;
  returnedAt: number;
}

/**
 * Where a session lives on a fallback because its better transport fell silent and died, tries that one again beside it, ever more rarely, for as long as the
 * session lives. Streams stay where they are meanwhile; once the new path has been sound for a while, the fallback is drained.
 */
export class TransportReturn {
  readonly #transport: Transport;
  readonly #dialer: FallbackDialer;
  readonly #places = new Map<string, Place>();

  constructor(transport: Transport, dialer: FallbackDialer) {
    this.#transport = transport;
    this.#dialer = dialer;
  }

  pathActive(path: SessionPath): void {
    const name = path.transport as TransportName;
    const place = this.#places.get(path.address);
    if (place === undefined) {
      this.#places.set(path.address, {
        wanted: name,
        waitMs: FIRST_TRY_MS,
        isTrying: false,
        returnedAt: Number.NEGATIVE_INFINITY,
      });
    } else if (this.#transport.prefers?.(name, place.wanted) === true) place.wanted = name;
    else this.#consider(path);
  }

  pathDied(path: SessionPath): void {
    this.#consider(path);
  }

  #consider(path: SessionPath): void {
    const place = this.#places.get(path.address);
    if (place === undefined || place.isTrying || !this.#isOnAnother(path.address, place)) return;
    if (this.#dialer.now() - place.returnedAt >= HELD_MS) place.waitMs = FIRST_TRY_MS;
    place.isTrying = true;
    void this.#keepTrying(path, place).finally(() => (place.isTrying = false));
  }

  /** Whether the server is reached, but not over the transport that is wanted. */
  #isOnAnother(address: string, place: Place): boolean {
    const paths = this.#dialer.pathsTo(address);
    return paths.length > 0 && paths.every((path) => path.transport !== place.wanted);
  }

  async #keepTrying(path: SessionPath, place: Place): Promise<void> {
    const dialer = this.#dialer;
    const { address } = path;
    for (;;) {
      await dialer.sleep(place.waitMs);
      // Without any path its server is redialled over whatever answers: whoever is there then decides anew.
      if (dialer.isStopped() || !this.#isOnAnother(address, place)) return;
      place.waitMs = Math.min(place.waitMs * 2, MAX_TRY_MS);
      if (!dialer.hasRoom()) continue;
      const back = await this.#tryOnce(path, place.wanted).catch(() => undefined);
      if (back === undefined) continue;
      place.returnedAt = dialer.now();
      for (const other of dialer.pathsTo(address)) if (other.transport !== place.wanted) dialer.remove(other, DRAIN_MS);
      return;
    }
  }

  /** A path over the transport, if there is one that is sound. Rejects if nobody answers. */
  async #tryOnce(old: SessionPath, wanted: TransportName): Promise<SessionPath | undefined> {
    const dialer = this.#dialer;
    const address = parseAddress(old.address);
    const link = await dialer.dial(address, old.identity, { only: wanted });
    const path = await dialer.takeIn(link, address, old.identity, old.priority);
    if (path === undefined) return undefined;
    const until = dialer.now() + TRIAL_MS;
    let activeSince: number | undefined;
    while (!path.isFinal && !dialer.isStopped() && dialer.now() < until) {
      if (path.state === "active") activeSince ??= dialer.now();
      else activeSince = undefined;
      if (activeSince !== undefined && dialer.now() - activeSince >= SOUND_MS) return path;
      await dialer.sleep(LOOK_MS);
    }
    if (!path.isFinal && !dialer.isStopped()) dialer.remove(path, 0);
    return undefined;
  }
}
