import type { Socket } from "node:net";
import { splice } from "@kwik/splice";
import { describeTarget, type TunnelTarget } from "@kwik/tunnel";
import { type FailureName, failureName } from "./failure-name.ts";
import type { ListenerKind, ProxyEvent, ProxyStats } from "./proxy-event.ts";
import type { ProxyLimits } from "./proxy-limits.ts";
import type { DialledTunnel } from "./tunnel-dialer.ts";

/** Runs connections that have a tunnel, and keeps the numbers of all. */
export class ProxyLedger {
  readonly #limits: ProxyLimits;
  readonly #onEvent: (event: ProxyEvent) => void;
  readonly #refused: Record<string, number> = {};
  #closed = 0;
  #open = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  #whenEmpty: (() => void)[] = [];

  constructor(limits: ProxyLimits, onEvent: (event: ProxyEvent) => void) {
    this.#limits = limits;
    this.#onEvent = onEvent;
  }

  /** Joins a local connection with its tunnel until both are over. */
  async join(listener: ListenerKind, target: TunnelTarget, socket: Socket, dialled: DialledTunnel): Promise<void> {
    const start = performance.now();
    const { end, error, bytesIn, bytesOut } = await this.counted(() => splice(socket, dialled.tunnel, this.#limits));
    dialled.done();
    // A tunnel that was never connected was refused.
    const refused: unknown = await dialled.tunnel.connected.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (refused !== undefined && end === "tunnel-broken") this.refused(listener, describeTarget(target), refused ?? error);
    else this.closed(listener, target, { end, sentBytes: bytesIn, receivedBytes: bytesOut, seconds: secondsSince(start) });
  }

  /** Counts something as open while it runs. */
  async counted<T>(run: () => Promise<T>): Promise<T> {
    this.#open += 1;
    try {
      return await run();
    } finally {
      this.#open -= 1;
      if (this.#open === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
    }
  }

  closed(
    listener: ListenerKind,
    target: TunnelTarget,
    outcome: { end: "closed" | "socket-broken" | "tunnel-broken" | "idle"; sentBytes: number; receivedBytes: number; seconds: number },
  ): void {
    this.#closed += 1;
    this.#sentBytes += outcome.sentBytes;
    this.#receivedBytes += outcome.receivedBytes;
    this.#onEvent({ type: "closed", listener, target: describeTarget(target), ...outcome });
  }

  refused(listener: ListenerKind, target: string, error: unknown): void {
    this.#refuse(listener, target, failureName(error), error instanceof Error ? error.message : String(error));
  }

  /** A client gave a wrong password. */
  unauthorized(listener: ListenerKind): void {
    this.#refuse(listener, "", "auth", "the user is not known, or the password is wrong");
  }

  /** A client said what makes no sense. */
  malformed(listener: ListenerKind, reason: string): void {
    this.#refuse(listener, "", "bad-request", reason);
  }

  stats(): Omit<ProxyStats, "sessions" | "isConnected" | "suspensions" | "leftOutTotal"> {
    return {
      connections: this.#open,
      closedTotal: this.#closed,
      refusedTotal: { ...this.#refused },
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
    };
  }

  #refuse(listener: ListenerKind, target: string, code: FailureName, reason: string): void {
    this.#refused[code] = (this.#refused[code] ?? 0) + 1;
    this.#onEvent({ type: "refused", listener, target, code, reason });
  }

  /** Resolves when nothing is open. */
  empty(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenEmpty.push(resolve));
  }
}

/** To the millisecond. */
export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
