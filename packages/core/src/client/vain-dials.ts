import { RateLimit, type SessionPath } from "@kwik/proto";
import type { KwikError } from "../api/errors.ts";

/**
 * Dials that servers asked for and that may come to nothing: how many there may be, and why each did. A server must not learn by them what there is in the
 * client's network. spec: PATH-15
 */
export class VainDials {
  readonly #limit: RateLimit;
  readonly #reasons = new WeakMap<SessionPath, KwikError>();

  constructor(limits: { readonly maxVainDials: number; readonly vainDialsPerMinute: number }) {
    this.#limit = new RateLimit({ perSecond: limits.vainDialsPerMinute / 60, burst: limits.maxVainDials });
  }

  /** An address is about to be dialled; answers whether it may be. Counts as vain until `proven`. */
  begin(now: number): boolean {
    return this.#limit.take(now) === undefined;
  }

  /** A server was there, and proved itself. */
  proven(): void {
    this.#limit.giveBack();
  }

  /** Nobody did. Whoever asked hears of it later, and not why. */
  failed(path: SessionPath, error: KwikError): void {
    this.#reasons.set(path, error);
  }

  /** Why a path came to nothing, for the client's own application; undefined for paths of another kind. */
  reasonOf(path: SessionPath): KwikError | undefined {
    return this.#reasons.get(path);
  }
}
