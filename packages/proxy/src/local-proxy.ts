import type { Socket } from "node:net";
import type { ClientSession } from "@kwik/core";
import type { TunnelTarget } from "@kwik/tunnel";
import { HttpListener } from "./http-listener.ts";
import { KeptSession } from "./kept-session.ts";
import { type Bind, LocalListener } from "./local-listener.ts";
import type { ProxyEvent, ProxyStats } from "./proxy-event.ts";
import { ProxyLedger } from "./proxy-ledger.ts";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "./proxy-limits.ts";
import { serveSocks5 } from "./socks5-connection.ts";
import { TunnelDialer } from "./tunnel-dialer.ts";
import { Users } from "./users.ts";

export interface ProxyOptions {
  /** Makes the session; called again whenever it has ended. */
  readonly dial: (signal: AbortSignal) => Promise<ClientSession>;
  /** Who may use the SOCKS5 and HTTP listeners, "name:password" each. Default: everybody who reaches them. */
  readonly users?: readonly string[];
  readonly limits?: Partial<ProxyLimits>;
  readonly onEvent?: (event: ProxyEvent) => void;
}

/** Local listeners whose connections travel as tunnels of one session. */
export class LocalProxy implements AsyncDisposable {
  readonly #limits: ProxyLimits;
  readonly #kept: KeptSession;
  readonly #dialer: TunnelDialer;
  readonly #ledger: ProxyLedger;
  readonly #users: Users;
  readonly #listeners: (LocalListener | HttpListener)[] = [];
  #suspensions = 0;
  readonly #leftOut: Record<string, number> = {};

  /** Throws INVALID_ARGUMENT for users that make no sense. */
  constructor(options: ProxyOptions) {
    const onEvent = options.onEvent ?? (() => undefined);
    this.#limits = { ...DEFAULT_PROXY_LIMITS, ...options.limits };
    this.#users = new Users(options.users ?? []);
    this.#ledger = new ProxyLedger(this.#limits, onEvent);
    this.#kept = new KeptSession({
      dial: options.dial,
      onSession: (session) => {
        onEvent({ type: "session", session: session.id, gateways: session.stats().paths.map((path) => path.address) });
        void this.#dialer.choice.follow(session);
        void this.#watch(session, onEvent);
      },
      onLost: (error, retryMs) => onEvent({ type: "session-lost", reason: error.message, retryMs }),
    });
    this.#dialer = new TunnelDialer(this.#kept, this.#limits);
  }

  /** Dials for the first time. Rejects as `dial`. */
  start(): Promise<void> {
    return this.#kept.start();
  }

  /** Connections at `bind` lead to `target`. Answers where it is really bound; rejects with IO. */
  forward(bind: Bind, target: TunnelTarget): Promise<Bind> {
    return this.#listen(bind, (socket, signal) => this.#forwardOne(socket, target, signal));
  }

  socks5(bind: Bind): Promise<Bind> {
    const options = { dialer: this.#dialer, ledger: this.#ledger, users: this.#users, handshakeTimeoutMs: this.#limits.handshakeTimeoutMs };
    return this.#listen(bind, (socket, signal) => serveSocks5(socket, signal, options));
  }

  http(bind: Bind): Promise<Bind> {
    const listener = new HttpListener({ dialer: this.#dialer, ledger: this.#ledger, users: this.#users, limits: this.#limits });
    this.#listeners.push(listener);
    return listener.listen(bind);
  }

  /** The session that is there now. */
  get session(): ClientSession | undefined {
    return this.#kept.current;
  }

  stats(): ProxyStats {
    return {
      ...this.#ledger.stats(),
      sessions: this.#kept.count,
      isConnected: this.#kept.current !== undefined,
      suspensions: this.#suspensions,
      leftOutTotal: { ...this.#leftOut },
    };
  }

  /** Takes no more connections. Resolves when none is left, or after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    for (const listener of this.#listeners) listener.stop();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([this.#ledger.empty(), late]);
    clearTimeout(timer);
  }

  /** Breaks off what is open, and ends the session. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    await this.#kept[Symbol.asyncDispose]();
  }

  async #watch(session: ClientSession, onEvent: (event: ProxyEvent) => void): Promise<void> {
    for await (const { type, ...event } of session.events()) {
      if ((type === "source-isolated" || type === "source-slow") && "code" in event)
        this.#leftOut[event.code] = (this.#leftOut[event.code] ?? 0) + 1;
      if (type !== "suspended" && type !== "resumed") continue;
      if (type === "suspended") this.#suspensions += 1;
      onEvent({ type, reason: "reason" in event ? event.reason : "" });
    }
  }

  #listen(bind: Bind, serve: (socket: Socket, signal: AbortSignal) => Promise<void>): Promise<Bind> {
    const listener = new LocalListener(this.#limits.maxConnections, serve);
    this.#listeners.push(listener);
    return listener.listen(bind);
  }

  async #forwardOne(socket: Socket, target: TunnelTarget, signal: AbortSignal): Promise<void> {
    try {
      // The answer is not awaited: the first bytes need no round trip more than those of a connection of one's own.
      const dialled = await this.#dialer.open(target, signal);
      await this.#ledger.join("forward", target, socket, dialled);
    } catch (error) {
      this.#ledger.refused("forward", target.kind, error);
      socket.destroy();
    }
  }
}
