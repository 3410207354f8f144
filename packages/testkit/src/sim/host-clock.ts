import type { Clock, Timer, VirtualClock } from "./virtual-clock.ts";

/** What happens to a host that is frozen: its process is stopped and time goes on, or all of it sleeps, its clock too. */
export type FreezeKind = "stopped" | "asleep";

/** The time of one host of a simulation. While it is frozen nothing happens there; what came or fell due meanwhile happens when it goes on. */
export class HostClock implements Clock {
  readonly #world: VirtualClock;
  readonly #waiting: (() => void)[] = [];
  #slept = 0;
  #frozenAt: number | undefined;
  #kind: FreezeKind = "stopped";

  constructor(world: VirtualClock) {
    this.#world = world;
  }

  /** Its monotonic clock. */
  get now(): number {
    const at = this.#frozenAt !== undefined && this.#kind === "asleep" ? this.#frozenAt : this.#world.now;
    return at - this.#slept;
  }

  get isFrozen(): boolean {
    return this.#frozenAt !== undefined;
  }

  /** Does something now, or when the host goes on. */
  run(action: () => void): void {
    if (this.#frozenAt === undefined) action();
    else this.#waiting.push(action);
  }

  schedule(delayMs: number, action: () => void): Timer {
    const timer = this.#world.schedule(delayMs, () =>
      this.run(() => {
        if (!timer.isCancelled) action();
      }),
    );
    return timer;
  }

  cancel(timer: Timer): void {
    timer.isCancelled = true;
  }

  /** Without effect on a host that is frozen already. */
  freeze(ms: number, kind: FreezeKind): void {
    if (this.#frozenAt !== undefined) return;
    this.#frozenAt = this.#world.now;
    this.#kind = kind;
    this.#world.schedule(ms, () => {
      if (kind === "asleep") this.#slept += ms;
      this.#frozenAt = undefined;
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next();
    });
  }
}
