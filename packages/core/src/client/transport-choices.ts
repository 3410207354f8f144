import type { SessionPath } from "@kwik/proto";
import type { TransportChoice } from "../api/stats.ts";
import type { Link } from "../transport/link.ts";

/** Why each path of a client has its transport: known when its link is dialled, asked for as long as the path is. */
export class TransportChoices {
  readonly #links = new WeakMap<Link, TransportChoice>();
  readonly #paths = new WeakMap<SessionPath, TransportChoice>();

  dialled(link: Link, choice: TransportChoice): void {
    this.#links.set(link, choice);
  }

  /** The path runs over the link from now on. */
  attached(path: SessionPath, link: Link): void {
    const choice = this.#links.get(link);
    if (choice !== undefined) this.#paths.set(path, choice);
  }

  of(path: SessionPath): TransportChoice | undefined {
    return this.#paths.get(path);
  }
}
