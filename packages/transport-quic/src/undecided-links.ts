import { ErrorCode } from "@kwik/core";
import type { ServerLink } from "./server-link.ts";

/** As over TCP: packages/tls/src/listen-limits.ts. */
const MAX_UNDECIDED = 256;

/**
 * Connections that have not said yet what they want: in their handshake, or silent after it. When there are too many the oldest is closed, since those that
 * mean it are done soon.
 */
export class UndecidedLinks {
  readonly #max: number;
  readonly #onDropped: (remote: string, why: string) => void;
  readonly #handshakes = new Map<number, { readonly remote: string; readonly drop: () => void }>();
  readonly #links = new Set<ServerLink>();

  constructor(max: number = MAX_UNDECIDED, onDropped: (remote: string, why: string) => void = () => undefined) {
    this.#max = max;
    this.#onDropped = onDropped;
  }

  get size(): number {
    return this.#handshakes.size + this.#links.size;
  }

  addHandshake(handle: number, remote: string, drop: () => void): void {
    this.#handshakes.set(handle, { remote, drop });
    this.#makeRoom();
  }

  deleteHandshake(handle: number): void {
    this.#handshakes.delete(handle);
  }

  add(link: ServerLink): void {
    this.#links.add(link);
    this.#makeRoom();
  }

  delete(link: ServerLink): void {
    this.#links.delete(link);
  }

  clear(): void {
    this.#handshakes.clear();
    this.#links.clear();
  }

  #makeRoom(): void {
    if (this.size <= this.#max) return;
    const why = `more than ${this.#max} undecided connections at once, and this was one of the oldest`;
    const [handshake] = this.#handshakes;
    const [link] = this.#links;
    // Of the larger crowd.
    if (handshake !== undefined && (link === undefined || this.#handshakes.size >= this.#links.size)) {
      this.#handshakes.delete(handshake[0]);
      this.#onDropped(handshake[1].remote, why);
      handshake[1].drop();
    } else if (link !== undefined) {
      this.#links.delete(link);
      this.#onDropped(link.link.properties.remoteAddress, why);
      link.link.close(ErrorCode.LIMIT_REACHED, "too many connections have said nothing");
    }
  }
}
