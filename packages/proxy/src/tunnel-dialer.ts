import { type ClientSession, isKwikError, KwikError } from "@kwik/core";
import { openTunnel, type Tunnel, type TunnelAddress, TunnelRefusedError, type TunnelTarget } from "@kwik/tunnel";
import { GatewayChoice } from "./gateway-choice.ts";
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

  /** Resolves before the gateway has answered. Rejects with a KwikError. */
  async open(target: TunnelTarget, signal: AbortSignal, tried: ReadonlySet<string> = new Set()): Promise<DialledTunnel> {
    const session = await this.#kept.next(this.#limits.sessionWaitMs, signal);
    const gateway = this.choice.choose(session, tried);
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

  /** Waits for the answer, and asks another gateway where one is lost, leaving or full: nothing was sent yet. Rejects with a KwikError. */
  async connect(target: TunnelTarget, signal: AbortSignal): Promise<DialledTunnel & { readonly bound: TunnelAddress | undefined }> {
    const tried = new Set<string>();
    for (;;) {
      let dialled: DialledTunnel | undefined;
      try {
        dialled = await this.open(target, signal, tried);
        return { ...dialled, bound: await dialled.tunnel.connected };
      } catch (error) {
        dialled?.done();
        if (dialled !== undefined) tried.add(dialled.gateway);
        const failure = KwikError.from(error);
        if (signal.aborted || dialled === undefined || tried.size >= MAX_TRIES || !isWorthAnother(failure)) throw failure;
        if (this.#kept.current === dialled.session && !this.#hasOther(dialled.session, tried)) throw failure;
      }
    }
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
  return isKwikError(error) && error.code !== "TIMEOUT" && error.code !== "ABORTED" && error.code !== "INVALID_ARGUMENT";
}
