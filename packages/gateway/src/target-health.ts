import { connectTarget, type Destination } from "./connect-target.ts";

/** Targets whose numbers are kept, at most; the one that was silent longest goes first. */
const MAX_TARGETS = 1_000;

/** What is known of a target. */
export interface TargetStatus {
  readonly target: string;
  readonly connected: number;
  readonly failed: number;
  /** Failures since the last success. */
  readonly failedInARow: number;
  /** Of connections that came up, in milliseconds, smoothed; undefined before the first. */
  readonly connectMs: number | undefined;
  /** What the checks say; undefined for targets that are not checked. */
  readonly isUp: boolean | undefined;
}

interface Counters {
  connected: number;
  failed: number;
  failedInARow: number;
  connectMs: number | undefined;
  isUp: boolean | undefined;
}

/** Counts how connections to targets go; checks some of them by connecting. */
export class TargetHealth {
  readonly #targets = new Map<string, Counters>();

  /** A connection came up. */
  connected(target: string, elapsedMs: number): void {
    const counters = this.#of(target);
    counters.connected += 1;
    counters.failedInARow = 0;
    counters.connectMs = counters.connectMs === undefined ? elapsedMs : counters.connectMs * 0.8 + elapsedMs * 0.2;
  }

  failed(target: string): void {
    const counters = this.#of(target);
    counters.failed += 1;
    counters.failedInARow += 1;
  }

  /** Says what a check found; answers whether that is news. */
  checked(target: string, isUp: boolean): boolean {
    const counters = this.#of(target);
    const isNews = counters.isUp !== isUp;
    counters.isUp = isUp;
    return isNews;
  }

  all(): TargetStatus[] {
    return [...this.#targets].map(([target, counters]) => ({ target, ...counters }));
  }

  #of(target: string): Counters {
    const counters = this.#targets.get(target) ?? { connected: 0, failed: 0, failedInARow: 0, connectMs: undefined, isUp: undefined };
    // Last touched, last in the map.
    this.#targets.delete(target);
    this.#targets.set(target, counters);
    if (this.#targets.size > MAX_TARGETS) this.#targets.delete(this.#targets.keys().next().value as string);
    return counters;
  }
}

/** A target that is checked. */
export interface CheckedTarget {
  /** As in the messages and numbers: "host:port" or "unix name". */
  readonly name: string;
  readonly destination: () => Promise<Destination>;
}

/** Connects to some targets every `intervalMs`, and says when one goes down or comes back. */
export class TargetChecks implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #stop = new AbortController();

  constructor(
    targets: readonly CheckedTarget[],
    intervalMs: number,
    timeoutMs: number,
    health: TargetHealth,
    onChange: (target: string, isUp: boolean, reason: string) => void,
  ) {
    const checkAll = (): void => {
      for (const target of targets) void this.#check(target, Math.min(timeoutMs, intervalMs), health, onChange);
    };
    this.#timer = setInterval(checkAll, intervalMs).unref();
    checkAll();
  }

  async #check(
    { name, destination }: CheckedTarget,
    timeoutMs: number,
    health: TargetHealth,
    onChange: (target: string, isUp: boolean, reason: string) => void,
  ): Promise<void> {
    const { signal } = this.#stop;
    let reason = "";
    try {
      const outcome = await connectTarget(await destination(), timeoutMs, signal);
      if (outcome.ok) outcome.socket.on("error", () => undefined).destroy();
      else reason = outcome.reason;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    if (!signal.aborted && health.checked(name, reason === "")) onChange(name, reason === "", reason);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#stop.abort();
  }
}
