import { type ClientSession, KwikError } from "@kwik/core";
import { openTunnel, type Tunnel, type TunnelAddress, TunnelRefusedError, type TunnelTarget } from "@kwik/tunnel";
import { type GatewayAtPath, GatewayChoice } from "./gateway-choice.ts";
import type { KeptSession } from "./kept-session.ts";
import type { ProxyLimits } from "./proxy-limits.ts";

/** Gateways that are asked for one connection, at most. */
const MAX_TRIES = 3;

/** A tunnel, and where it leads. */
export interface DialledTunnel {
  readonly session: ClientSession;
  readonly tunnel: Tunnel;
  /** Of the gateway, for `GatewayChoice`. */
  readonly gateway: string;
  /** To be called once when the tunnel is over. */
  done(): void;
}

/** Opens tunnels in the session that is there, or comes in time. */
export class TunnelDialer {
  readonly choice = new GatewayChoice();
  readonly #kept: KeptSession;
  readonly #limits: ProxyLimits;

  constructor(kept: KeptSession, limits: ProxyLimits) {
    this.#kept = kept;
    this.#limits = limits;
  }

  /** Resolves before the gateway has answered, as soon as one of them has a stream. Rejects with a KwikError. */
  open(target: TunnelTarget, signal: AbortSignal): Promise<DialledTunnel> {
    return this.#ask(target, signal, (dialled) => Promise.resolve(dialled));
  }

  /** Waits for the answer, and asks another gateway where one is lost, leaving or full: nothing was sent yet. Rejects with a KwikError. */
  connect(target: TunnelTarget, signal: AbortSignal): Promise<DialledTunnel & { readonly bound: TunnelAddress | undefined }> {
    return this.#ask(target, signal, async (dialled) => ({ ...dialled, bound: await dialled.tunnel.connected }));
  }

  /** Until one of the gateways has given what is wanted of it, or each was at fault. */
  async #ask<T>(target: TunnelTarget, signal: AbortSignal, wanted: (dialled: DialledTunnel) => Promise<T>): Promise<T> {
    const tried = new Set<string>();
    for (let tries = 1; ; tries += 1) {
      const session = await this.#kept.next(this.#limits.sessionWaitMs, signal);
      const gateway = this.choice.choose(session, tried);
      const key = gateway?.key ?? "";
      let dialled: DialledTunnel | undefined;
      try {
        dialled = await this.#openAt(session, gateway, target, signal);
        return await wanted(dialled);
      } catch (error) {
        dialled?.done();
        const failure = KwikError.from(error);
        if (signal.aborted || tries >= MAX_TRIES || !isWorthAnother(failure)) throw failure;
        tried.add(key);
        if (this.#kept.current === session && !(await this.#isOver(session)) && !this.#hasOther(session, tried)) throw failure;
      }
    }
  }

  async #openAt(
    session: ClientSession,
    gateway: GatewayAtPath | undefined,
    target: TunnelTarget,
    signal: AbortSignal,
  ): Promise<DialledTunnel> {
    const tunnel = await openTunnel(session, target, {
      signal,
      timeoutMs: this.#limits.connectTimeoutMs,
      ...(gateway === undefined ? {} : { pathId: gateway.pathId }),
    });
    const key = gateway?.key ?? "";
    this.choice.opened(key);
    let isDone = false;
    const done = (): void => {
      if (!isDone) this.choice.closed(key);
      isDone = true;
    };
    tunnel.connected.catch((error: unknown) => {
      if (error instanceof TunnelRefusedError && isFullOrLeaving(error)) this.choice.rest(key);
    });
    return { session, tunnel, gateway: key, done };
  }

  /** Whether a session has ended, and the next one is awaited. */
  async #isOver(session: ClientSession): Promise<boolean> {
    // A turn, in which whoever keeps it hears of its end as well.
    await new Promise(setImmediate);
    return this.#kept.current !== session;
  }

  #hasOther(session: ClientSession, tried: ReadonlySet<string>): boolean {
    const next = this.choice.choose(session, tried);
    return next !== undefined && !tried.has(next.key);
  }
}

function isFullOrLeaving(error: TunnelRefusedError): boolean {
  return error.refusal === "draining" || error.refusal === "limit";
}

/** Whether the gateway is at fault and not the target. */
function isWorthAnother(error: KwikError): boolean {
  if (error instanceof TunnelRefusedError) return isFullOrLeaving(error);
  return error.code !== "TIMEOUT" && error.code !== "ABORTED" && error.code !== "INVALID_ARGUMENT";
}
